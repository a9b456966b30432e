"""The distribution of a linear-chain CRF over the BIO paths of a batch: marginals and span probabilities.

Given the emissions, the tags form a Markov chain. One backward recursion, scaled as in Rabiner (1989), gives the
probability of each next tag given the tag before it. Every other result is a product of these probabilities. No result
is a difference of large sums, so long rows lose no precision.
"""

import math
from dataclasses import dataclass
from typing import Tuple

import torch
from torch import Tensor

from .rows import Rows
from .sums import SMALLEST_MESSAGE, Scores, bound_messages, lost_rows, shift_scores, sum_scaled


@dataclass
class Lattice:
    """Probabilities of a batch of rows, all float64. In a row without a legal path every probability is 0.

    log_partition (Tensor): log of the sum over the legal paths, -inf for a row without one, shape (n_docs,).
    tag_marginals (Tensor): probability of each tag at each token, shape (n_docs, n_tokens, n_tags).
    after_begin (Tensor): probability that I-X comes next, given B-X at this token, shape (n_docs, n_tokens, n_labels).
    after_inside (Tensor): probability that I-X comes next, given I-X at this token, shape of `after_begin`.
    lengths (Tensor): number of tokens of each row, shape (n_docs,).
    """

    log_partition: Tensor
    tag_marginals: Tensor
    after_begin: Tensor
    after_inside: Tensor
    lengths: Tensor

    def marginals(self) -> Tensor:
        """Return the probability of each tag at each token, 0 at padding, shape (n_docs, n_tokens, n_tags)."""
        return self.tag_marginals

    def span_probabilities(self, spans: Tensor) -> Tensor:
        """Return the probability of each span: B-X at its first token, I-X at its other tokens, no I-X after it.

        This is the confidence of Culotta and McCallum (2004), Confidence Estimation for Information Extraction.

        spans (Tensor): row, start, end (exclusive) and label index of each, int64, shape (n_spans, 4).
        RETURNS (Tensor): shape (n_spans,); 0 for a span that is empty or not within its row.
        RAISES (IndexError): the index of a row or label is out of range (raised on a CPU only).
        """
        row, start, end, label = spans.unbind(1)
        legal = (start >= 0) & (start < end) & (end <= self.lengths[row])
        start, last = torch.where(legal, start, 0), torch.where(legal, end - 1, 0)
        longer = last > start
        onward = self.after_begin[row, start, label]
        stop = 1 - torch.where(longer, self.after_inside[row, last, label], onward)
        probabilities = self.tag_marginals[row, start, 1 + 2 * label] * stop * torch.where(longer, onward, 1.0)
        # Multiply by `after_inside` of all tokens between the first and the last, with products over powers of two.
        position, steps = start + 1, (last - start - 1).clamp(min=0)
        product, size = self.after_inside, 1
        while steps.any():
            odd = steps % 2 == 1
            factor = product[row, position.clamp(max=product.shape[1] - 1), label]
            probabilities = probabilities * torch.where(odd, factor, 1.0)
            position, steps = position + size * odd, steps // 2
            # `product` at a token is the product of `size` factors, from this token on.
            product, size = product[:, :-size] * product[:, size:], 2 * size
        return torch.where(legal, probabilities, 0.0)

    def candidates(self, floor: float) -> Tuple[Tensor, Tensor]:
        """Find all spans with a probability of at least `floor`.

        The probability of a span's B- and I- tags, whatever tag follows, is an upper bound of its probability. The
        bound decreases with the length. Once it is below the floor, longer spans are not computed.

        floor (float): the minimum probability; 0 for all spans.
        RETURNS (Tuple[Tensor, Tensor]): the spans as in `span_probabilities`, shape (n_spans, 4), sorted, and their
            probabilities, shape (n_spans,).
        """
        n_tokens, n_labels = self.after_begin.shape[1:]
        inside = torch.arange(n_tokens, device=self.lengths.device) < self.lengths.unsqueeze(1)
        begins = self.tag_marginals[:, :, 1::2]
        row, start, label = ((begins >= floor) & inside.unsqueeze(2)).nonzero(as_tuple=True)
        prefix, end = begins[row, start, label], start + 1
        onward = self.after_begin[row, start, label]
        # With empty tensors, so that a batch without candidates can be concatenated.
        spans, probabilities = [row.new_empty(0, 4)], [prefix.new_empty(0)]
        while len(row):
            probability = prefix * (1 - onward)
            enough = probability >= floor
            spans.append(torch.stack([row, start, end, label], dim=1)[enough])
            probabilities.append(probability[enough])
            prefix = prefix * onward
            alive = (prefix >= floor) & (end < self.lengths[row])
            row, start, end, label, prefix = row[alive], start[alive], end[alive] + 1, label[alive], prefix[alive]
            onward = self.after_inside[row, end - 1, label]
        joined = torch.cat(spans)
        weights = torch.tensor([(n_tokens + 1) ** 2 * n_labels, (n_tokens + 1) * n_labels, n_labels, 1])
        order = (joined * weights.to(joined)).sum(dim=1).argsort()
        return joined[order], torch.cat(probabilities)[order]


@torch.no_grad()
def build_lattice(rows: Rows, start: Tensor, transitions: Tensor, end: Tensor, n_tokens: int) -> Lattice:
    """Sum over all paths of every row, all rows at once, in float64.

    Each token takes one matrix product in probability space, with messages scaled to sum to 1. This is exact unless the
    scores of one token differ by more than the range of float64 (about 340). A row with a message on a legal path that
    is too small is summed again in log space, which takes about ten times as long.

    rows (Rows): the rows with their emissions, -inf for forbidden tags.
    start (Tensor): score of each tag as the first, shape (n_tags,), -inf if it is forbidden.
    transitions (Tensor): score of each transition, row = from, column = to, shape (n_tags, n_tags). The forbidden ones
        have -inf: none, or all those to I-X from other tags than B-X and I-X.
    end (Tensor): score of each tag as the last, shape (n_tags,).
    n_tokens (int): tokens of a row of the lattice, padding included.
    """
    scores = shift_scores(rows, start, transitions, end, torch.float64)
    sums = sum_scaled(rows, scores, scores.tokens.clone())
    log_partition, states, previous = sums.log_partition, sums.states, rows.previous
    begin, inside = slice(1, None, 2), slice(2, None, 2)
    weights = scores.transitions.exp()
    following = torch.zeros_like(states[inside])
    following[:, previous] = sums.messages[inside, rows.active[0] :]
    after_begin = weights.diagonal(1)[begin].unsqueeze(1) * following / sums.ahead[begin]
    after_inside = weights.diagonal()[inside].unsqueeze(1) * following / sums.ahead[inside]
    if not bound_messages(rows, start, transitions, end) < -math.log(SMALLEST_MESSAGE):
        lost = lost_rows(rows, scores, sums)
        if lost.any():
            log_partition[lost], *again = _sum_in_log_space(scores, rows.select(lost), rows.of_rows(lost))
            for whole, of_lost in zip((states, after_begin, after_inside), again, strict=True):
                whole[:, rows.of_rows(lost)] = of_lost
    # Remove the rounding error that accumulates in a long row.
    states = states / states.sum(dim=0).clamp(min=torch.finfo(states.dtype).tiny)
    # Clamped, so that rounding cannot make the probability that the entity ends negative.
    after_begin, after_inside = after_begin.clamp_(max=1.0), after_inside.clamp_(max=1.0)
    of_docs = rows.order.argsort()
    # shape: (n_docs, n_tokens, n_tags or n_labels)
    states, after_begin, after_inside = (
        rows.restore(values, n_tokens) for values in (states, after_begin, after_inside)
    )
    return Lattice((log_partition + scores.shift)[of_docs], states, after_begin, after_inside, rows.lengths[of_docs])


def _sum_in_log_space(scores: Scores, rows: Rows, of_rows: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sum over all paths in log space, which has no underflow.

    scores (Scores): the scores of all rows.
    rows (Rows): the rows to sum.
    of_rows (Tensor): which of all tokens are in them, bool, shape (n_tokens_in_all,).
    RETURNS (Tuple[Tensor, Tensor, Tensor, Tensor]): the log-partition, shape (n_rows,), and for the tokens of `rows`
        the probability of each tag, shape (n_tags, n_tokens); the probability of I-X after B-X, shape (n_labels,
        n_tokens), and after I-X, same shape.
    """
    messages = scores.tokens[:, of_rows]
    lowest = torch.finfo(messages.dtype).min
    # shape: (n_tags, n_tags, 1)
    steps = scores.transitions.unsqueeze(2)
    ahead = scores.end.unsqueeze(1).expand_as(messages).clone()
    scales = torch.empty_like(messages[0])
    own, to_come, sums = (rows.by_position(each) for each in (messages, ahead, scales))
    after = own[0][:, :0]
    for here, coming, scale in zip(reversed(own), reversed(to_come), reversed(sums), strict=True):
        # shape: (n_tags, n_active)
        coming[:, : after.shape[1]] = (after + steps).logsumexp(dim=1)
        after = here.add_(coming)
        torch.logsumexp(after, dim=0, out=scale)
        after -= scale.clamp(min=lowest)
    log_partition = torch.zeros_like(rows.lengths, dtype=torch.float64).index_add_(0, rows.row, scales)
    ahead.clamp_(min=lowest)
    states = messages.exp()
    ways = rows.by_position(states)
    for before, coming, state, here, n in zip(ways, to_come, ways[1:], own[1:], rows.active[1:], strict=False):
        # shape: (n_tags, n_tags, n_active), from the tags of the token before to the tags of this token
        onward = (here + steps - coming[:, :n].unsqueeze(1)).exp()
        state.copy_((before[:, :n].unsqueeze(1) * onward).sum(dim=0))
    begin, inside = slice(1, None, 2), slice(2, None, 2)
    following = torch.full_like(messages[inside], -torch.inf)
    following[:, rows.previous] = messages[inside, rows.active[0] :]
    after_begin = (following + scores.transitions.diagonal(1)[begin].unsqueeze(1) - ahead[begin]).exp()
    after_inside = (following + scores.transitions.diagonal()[inside].unsqueeze(1) - ahead[inside]).exp()
    return log_partition, states, after_begin, after_inside
