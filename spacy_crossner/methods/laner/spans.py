"""Span probabilities of an autoregressive head without a CRF: products of tag probabilities."""

from dataclasses import dataclass
from functools import cached_property
from typing import Tuple

import torch
from torch import Tensor

from ...core.head import Decoding, HeadOutput
from ...tuning import LANER_SCORED_PREFIXES
from .scorer import LabelAwareHead, LabelReader, PrefixScorer
from .tagging import Tagging, tag_probabilities


@dataclass
class SpanChains:
    """Span probabilities: the product of the probabilities of B-X, of each I-X, and of no I-X after the span.

    Each probability is conditional on the tags before the token: the decoded tags before the span, and the tags of the
    span inside it.

    head (LabelAwareHead): the head.
    output (HeadOutput): the output of the head.
    tagging (Tagging): the decoded tags.
    decoding (Decoding): the rules of the decoding, and the temperature.
    """

    head: LabelAwareHead
    output: HeadOutput
    tagging: Tagging
    decoding: Decoding

    @cached_property
    def _scorer(self) -> PrefixScorer:
        return PrefixScorer(self.head, self.output, LabelReader(self.head.prefixes))

    @torch.no_grad()
    def probabilities(self, spans: Tensor) -> Tensor:
        """Return the probability of spans; see `SequenceHead.span_probabilities`."""
        row, start, end, label = spans.unbind(1)
        # The token after a span gives a factor, too, unless the span ends the row.
        n_factors = end - start + (end < self.output.mask.sum(dim=1)[row]).long()
        span = torch.arange(len(spans), device=spans.device).repeat_interleave(n_factors)
        length = torch.arange(len(span), device=spans.device) - (n_factors.cumsum(0) - n_factors)[span]
        onward = self._next_probability(row[span], start[span], length, label[span])
        factors = torch.where(start[span] + length == end[span], 1 - onward, onward)
        return factors.new_ones(len(spans)).scatter_reduce(0, span, factors, "prod")

    @torch.no_grad()
    def candidates(self, floor: float) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead.candidates`."""
        mask, tagging = self.output.mask, self.tagging
        lengths = mask.sum(dim=1)
        begins = tag_probabilities(self.head.crf, tagging.scores, tagging.labels, self.decoding)[:, :, 1::2]
        row, start, label = ((begins >= floor) & mask.unsqueeze(2)).nonzero(as_tuple=True)
        # The probability of the tags so far is an upper bound for all longer spans.
        prefix, length = begins[row, start, label], torch.ones_like(row)
        spans, probabilities = [row.new_empty(0, 4)], [prefix.new_empty(0)]
        while len(row):
            onward = torch.zeros_like(prefix)
            inside = start + length < lengths[row]
            onward[inside] = self._next_probability(row[inside], start[inside], length[inside], label[inside])
            probability = prefix * (1 - onward)
            enough = probability >= floor
            spans.append(torch.stack([row, start, start + length, label], dim=1)[enough])
            probabilities.append(probability[enough])
            prefix = prefix * onward
            alive = prefix >= floor
            row, start, label, prefix, length = (values[alive] for values in (row, start, label, prefix, length + 1))
        return torch.cat(spans), torch.cat(probabilities)

    def _next_probability(self, row: Tensor, start: Tensor, length: Tensor, label: Tensor) -> Tensor:
        """Return the probability of I-X after spans of `length` tokens, or of B-X for length 0.

        row, start, length, label (Tensor): the spans, shape (n_spans,); start + length must be in the row.
        """
        decoded = self.tagging.labels[row]
        tag, position = 1 + 2 * label + (length > 0), start + length
        # The first label of a span is in the prefix one position after the first token.
        place = torch.arange(decoded.shape[1], device=decoded.device) - start.unsqueeze(1) - 1
        in_prefix = place < length.unsqueeze(1)
        labels = torch.where(in_prefix & (place >= 0), 1 + 2 * label.unsqueeze(1) + (place > 0), decoded)
        scores = self.tagging.scores[row, position]
        # If the prefix equals the decoded tags, its scores are known.
        new = (labels != decoded).any(dim=1).nonzero().squeeze(1)
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
        scorer, scores = self._scorer, self.tagging.scores.new_empty(len(row), self.tagging.scores.shape[2])
        # In an order of similar lengths.
        for part in position.argsort(descending=True).split(LANER_SCORED_PREFIXES):
            length = int(position[part[0]]) + 1
            read, at = labels[part, :length], position[part].unsqueeze(1)
            is_token = torch.ones_like(at, dtype=torch.bool)
            found = scorer.scores(row[part], at, is_token, read, scorer.forward_states(read))
            scores[part] = found.squeeze(1)
        return scores
