"""Span probabilities of an autoregressive head without a CRF: products of tag probabilities."""

from dataclasses import dataclass
from typing import Tuple

import torch
from torch import Tensor

from ...core.head import Decoding, HeadOutput
from .tagging import PrefixScorer, Tagging, tag_probabilities


@dataclass
class SpanChains:
    """The probability of spans: of B-X, of I-X up to the end, and of not I-X there, each given the tags before it.

    Before a span these are the decoded tags, inside it the tags of the span.

    head (PrefixScorer): the head.
    output (HeadOutput): its output.
    tagging (Tagging): the decoded tags.
    decoding (Decoding): the rules that they were decoded by, and the temperature.
    """

    head: PrefixScorer
    output: HeadOutput
    tagging: Tagging
    decoding: Decoding

    def probabilities(self, spans: Tensor) -> Tensor:
        """Return the probability of spans; see `SequenceHead.span_probabilities`."""
        row, start, end, label = spans.unbind(1)
        lengths = self.output.mask.sum(dim=1)
        longest = int((end - start).max()) if len(spans) else 0
        probability = torch.ones(len(spans), dtype=torch.float64, device=spans.device)
        for length in range(longest + 1):
            # The token after the last of a span has a factor, too, if there is such a token.
            here = ((start + length <= end) & (start + length < lengths[row])).nonzero().squeeze(1)
            onward = self._next_probability(row[here], start[here], length, label[here])
            stops = start[here] + length == end[here]
            probability[here] *= torch.where(stops, 1 - onward, onward)
        return probability

    def candidates(self, floor: float) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead.candidates`."""
        mask, tagging = self.output.mask, self.tagging
        lengths = mask.sum(dim=1)
        begins = tag_probabilities(self.head.crf, tagging.scores, tagging.labels, self.decoding)[:, :, 1::2]
        row, start, label = ((begins >= floor) & mask.unsqueeze(2)).nonzero(as_tuple=True)
        # The probability of a span or of any longer one falls with its length.
        prefix, length = begins[row, start, label], 1
        spans, probabilities = [row.new_empty(0, 4)], [prefix.new_empty(0)]
        while len(row):
            onward = torch.zeros_like(prefix)
            inside = start + length < lengths[row]
            onward[inside] = self._next_probability(row[inside], start[inside], length, label[inside])
            probability = prefix * (1 - onward)
            enough = probability >= floor
            spans.append(torch.stack([row, start, start + length, label], dim=1)[enough])
            probabilities.append(probability[enough])
            prefix = prefix * onward
            alive = prefix >= floor
            row, start, label, prefix, length = row[alive], start[alive], label[alive], prefix[alive], length + 1
        return torch.cat(spans), torch.cat(probabilities)

    def _next_probability(self, row: Tensor, start: Tensor, length: int, label: Tensor) -> Tensor:
        """Return the probability that spans of `length` tokens go on: of I-X after them, or with length 0 of B-X.

        row, start, label (Tensor): of the spans, shape (n_spans,); start + length lies in the row.
        """
        decoded = self.tagging.labels[row]
        tag, position = 1 + 2 * label + (length > 0), start + length
        columns = torch.arange(decoded.shape[1], device=decoded.device)
        labels = decoded.clone()
        if length:
            begin, inside = columns == start.unsqueeze(1) + 1, columns > start.unsqueeze(1) + 1
            labels = torch.where(begin, 1 + 2 * label.unsqueeze(1), labels)
            labels = torch.where(inside & (columns <= position.unsqueeze(1)), 2 + 2 * label.unsqueeze(1), labels)
        scores = self.tagging.scores[row, position]
        # Where the prefix is that of the decoded tags its scores are known.
        known = ((labels == decoded) | (columns > position.unsqueeze(1))).all(dim=1)
        new = (~known).nonzero().squeeze(1)
        if len(new):
            scores[new] = self._scores(row[new], position[new], labels[new])
        allowed = None if self.decoding.allowed is None else self.decoding.allowed[row, position]
        before = labels.gather(1, position.unsqueeze(1)).squeeze(1)
        rules = Decoding(self.decoding.constrained, allowed, self.decoding.temperature)
        return tag_probabilities(self.head.crf, scores, before, rules).gather(1, tag.unsqueeze(1)).squeeze(1)

    def _scores(self, row: Tensor, position: Tensor, labels: Tensor) -> Tensor:
        """Return the scores of one token for each prefix, shape (n_prefixes, n_tags).

        row, position (Tensor): of the tokens, shape (n_prefixes,).
        labels (Tensor): the label at each position of the prefixes, shape (n_prefixes, n_tokens).
        """
        head, tokens = self.head, self.output.tokens
        labels = labels[:, : int(position.max()) + 1]
        forward = head.prefixes.forward_states(labels)
        at = position.unsqueeze(1)
        is_token = torch.ones_like(at, dtype=torch.bool)
        features = head.features_at(tokens[row], self.output.mask[row], labels, forward, at, is_token)
        return head.token_scores(tokens[row, position]) + head.feature_scores(features.squeeze(1))
