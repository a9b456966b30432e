"""Decoding of a linear-chain CRF by associative scans, for devices on which each launch of an operation costs.

A loop over the positions launches its operations once for each token. The steps from token to token are matrices (or
functions from tag to tag), and their product is associative. So the products of pairs, of pairs of pairs, and so on,
give all positions in log2(n_tokens) rounds (Blelloch 1990, Prefix sums and their applications; for hidden Markov models
Särkkä and García-Fernández 2021, Temporal parallelization of Bayesian smoothers). All shapes are known beforehand, so
nothing waits for the device.
"""

from typing import Callable

import torch
from torch import Tensor

from ..tuning import CRF_SCAN_ELEMENTS
from .path_spans import multiply_steps, span_borders
from .sums import SMALLEST_MESSAGE

Product = Callable[[Tensor, Tensor], Tensor]

# Largest difference between a message of a scan and the message computed from the next one.
LARGEST_RESIDUAL = 1e-9


def scan(first: Tensor, steps: Tensor, apply: Product, combine: Product) -> Tensor:
    """Apply steps one after the other, and return all results.

    first (Tensor): the value before the first step, shape (n_docs, ...).
    steps (Tensor): shape (n_docs, n_steps, ...).
    apply (Product): applies steps to values, of shapes (n_docs, m, ...).
    combine (Product): combines steps with the steps after them, of shapes (n_docs, m, ...).
    RETURNS (Tensor): the value before the first step and after each step, shape (n_docs, n_steps + 1, ...).
    """
    n_steps = steps.shape[1]
    values = first.unsqueeze(1)
    if not n_steps:
        return values
    if n_steps > 1:
        pairs = combine(steps[:, 0 : n_steps - 1 : 2], steps[:, 1:n_steps:2])
        values = scan(first, pairs, apply, combine)
    between = apply(values[:, : (n_steps + 1) // 2], steps[:, ::2])
    result = values.new_empty((len(values), n_steps + 1, *values.shape[2:]))
    result[:, ::2] = values
    result[:, 1::2] = between
    return result


def _max_plus(first: Tensor, second: Tensor) -> Tensor:
    # The product of matrices in which max takes the place of the sum, and the sum that of the product.
    per_doc = max(1, first[0].numel() * second.shape[-1])
    size = max(1, CRF_SCAN_ELEMENTS // per_doc)
    parts = zip(first.split(size), second.split(size), strict=True)
    return torch.cat([(a.unsqueeze(-1) + b.unsqueeze(-3)).amax(dim=-2) for a, b in parts])


def _max_plus_vector(values: Tensor, steps: Tensor) -> Tensor:
    return (values.unsqueeze(-1) + steps).amax(dim=-2)


def _first_of_best(scores: Tensor) -> Tensor:
    # The first index of the maximum over the second last dimension; `max` may return any of several.
    n_tags = scores.shape[-2]
    ranks = torch.arange(n_tags, 0, -1, device=scores.device).unsqueeze(1)
    best = scores == scores.amax(dim=-2, keepdim=True)
    # Where the scores are not a number, there is no best.
    return (n_tags - torch.where(best, ranks, 1).amax(dim=-2)).clamp_(max=n_tags - 1)


@torch.no_grad()
def scan_viterbi(emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
    """Find the best path of every row, as `viterbi` does; paths may differ where scores are equal up to rounding.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
    start (Tensor), transitions (Tensor), end (Tensor): see `viterbi`.
    RETURNS (Tensor): tag indices, 0 at padding, shape (n_docs, n_tokens).
    """
    n_tags = len(start)
    inside = mask[:, 1:, None, None]
    # A step to padding changes nothing.
    stay = torch.full_like(transitions, -torch.inf).fill_diagonal_(0.0)
    steps = torch.where(inside, transitions + emissions[:, 1:].unsqueeze(2), stay)
    scores = scan(emissions[:, 0] + start, steps, _max_plus_vector, _max_plus)
    last = _first_of_best((scores[:, -1] + end).unsqueeze(2)).squeeze(1)
    pointers = _first_of_best(scores[:, :-1].unsqueeze(3) + transitions)
    pointers = torch.where(inside.squeeze(3), pointers, torch.arange(n_tags, device=mask.device))

    def follow(tags: Tensor, steps: Tensor) -> Tensor:
        return steps.gather(2, tags)

    # From the last token to the first.
    path = scan(last.unsqueeze(1), pointers.flip(1), follow, follow)
    return path.squeeze(2).flip(1).masked_fill(~mask, 0)


def _scaled(products: Tensor) -> Tensor:
    # The factor of a product of steps does not matter, only that it neither vanishes nor overflows.
    return products / products.amax(dim=(-2, -1), keepdim=True).clamp(min=torch.finfo(products.dtype).tiny)


def _normal(values: Tensor) -> Tensor:
    return values / values.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)


@torch.no_grad()
def scan_span_probabilities(
    emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor, paths: Tensor
) -> Tensor:
    """Return the probability of each entity of paths, summed in float64; see `path_span_probabilities`.

    emissions (Tensor): -inf for forbidden tags, shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    start (Tensor), transitions (Tensor), end (Tensor): float64, -inf where forbidden; see `build_lattice`.
    paths (Tensor): tag indices, shape (n_docs, n_tokens).
    RETURNS (Tensor): float64, shape (n_docs, n_tokens): at the first token of each entity its probability, 0 at all
        other tokens. nan for the entities of a row with an underflow, which `build_lattice` sums in log space.
    """
    tiny = torch.finfo(torch.float64).tiny
    scores = torch.where(mask.unsqueeze(2), emissions.double(), 0.0)
    scores[:, 0] += start
    weights = (scores - scores.amax(dim=2, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)).exp()
    onward = (transitions - transitions.max()).exp()
    inside = mask[:, 1:, None]
    ends = (end - end.max()).exp()
    stay = torch.eye(len(end), dtype=torch.float64, device=end.device)
    # The messages ahead of each token, from the last one to the first. Those of padding are the end's.
    steps = torch.where(inside.unsqueeze(3), onward * weights[:, 1:].unsqueeze(2), stay)
    ahead = scan(
        _normal(ends.expand_as(weights[:, 0])),
        steps.flip(1).transpose(2, 3),
        lambda values, matrices: _normal((values.unsqueeze(2) @ matrices).squeeze(2)),
        lambda matrices, later: _scaled(matrices @ later),
    ).flip(1)
    messages = _normal(weights * ahead)
    # Computed once more from the next messages: a difference shows what a product of steps has lost.
    again = ends.expand_as(weights).clone()
    again[:, :-1] = torch.where(inside, messages[:, 1:] @ onward.T, ends)
    unscaled = weights * again
    lost = (_normal(unscaled) - messages).abs().amax(dim=2) > LARGEST_RESIDUAL
    leads_on = torch.ones_like(weights, dtype=torch.bool)
    leads_on[:, :-1] = ~inside | ((messages[:, 1:] > 0).double() @ (onward > 0).double().T > 0)
    lost |= ((unscaled < SMALLEST_MESSAGE) & (scores > -torch.inf) & leads_on).any(dim=2)
    lost = (lost & mask).any(dim=1, keepdim=True)
    ahead = again.clamp(min=tiny)
    # The probability of each next tag, given the tag.
    chances = torch.where(inside.unsqueeze(3), onward * messages[:, 1:].unsqueeze(2) / ahead[:, :-1].unsqueeze(3), stay)
    states = scan(
        messages[:, 0],
        chances,
        lambda values, matrices: _normal((values.unsqueeze(2) @ matrices).squeeze(2)),
        lambda matrices, later: matrices @ later,
    )
    begin = ((paths + 1).div(2, rounding_mode="floor") * 2 - 1).clamp(min=1).unsqueeze(2)
    following = torch.zeros_like(begin, dtype=torch.float64)
    following[:, :-1] = torch.where(inside, messages[:, 1:].gather(2, begin[:, :-1] + 1), 0.0)
    after_begin = onward.diagonal(1)[begin] * following / ahead.gather(2, begin)
    after_inside = onward.diagonal()[begin + 1] * following / ahead.gather(2, begin + 1)
    begins, after_begin, after_inside = (
        part.squeeze(2).T for part in (states.gather(2, begin), after_begin, after_inside)
    )
    found = multiply_steps(begins, after_begin, after_inside, paths.T, mask.T).T
    first, _ = span_borders(paths.T, mask.T)
    return torch.where(lost & first.T, torch.nan, found)
