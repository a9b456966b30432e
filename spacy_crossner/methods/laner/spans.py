"""Span probabilities of an autoregressive head without a CRF: products of tag probabilities."""

from dataclasses import dataclass
from typing import Tuple

import torch
from torch import Tensor

from ...core.head import Decoding, HeadOutput
from .tagging import PrefixScorer, Tagging, tag_probabilities


@dataclass
class SpanChains:
    """Span probabilities: the product of the probabilities of B-X, of each I-X, and of no I-X after the span.

    Each probability is conditional on the tags before the token: the decoded tags before the span, and the tags of the
    span inside it.

    head (PrefixScorer): the head.
    output (HeadOutput): the output of the head.
    tagging (Tagging): the decoded tags.
    decoding (Decoding): the rules of the decoding, and the temperature.
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
            # The token after a span gives a factor, too, unless the span ends the row.
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
        # The probability of the tags so far is an upper bound for all longer spans.
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
        """Return the probability of I-X after spans of `length` tokens, or of B-X for length 0.

        row, start, label (Tensor): the spans, shape (n_spans,); start + length must be in the row.
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
        # If the prefix equals the decoded tags, its scores are known.
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

        row, position (Tensor): the tokens, shape (n_prefixes,).
        labels (Tensor): the label at each position of the prefixes, shape (n_prefixes, n_tokens).
        """
        head, tokens = self.head, self.output.tokens
        labels = labels[:, : int(position.max()) + 1]
        forward = head.prefixes.forward_states(labels)
        at = position.unsqueeze(1)
        is_token = torch.ones_like(at, dtype=torch.bool)
        features = head.features_at(tokens[row], self.output.mask[row], labels, forward, at, is_token)
        return head.token_scores(tokens[row, position]) + head.feature_scores(features.squeeze(1))
