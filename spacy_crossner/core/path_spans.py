"""The entity spans of decoded paths, and their probabilities, without a wait for the device."""

import math
from typing import Tuple

import torch
from torch import Tensor

from .lattice import build_lattice
from .sums import (
    SMALLEST_MESSAGE,
    SMALLEST_SINGLE_MESSAGE,
    bound_messages,
    lost_rows,
    make_arcs,
    shift_scores,
    sum_scaled,
)


def span_borders(paths: Tensor, mask: Tensor) -> Tuple[Tensor, Tensor]:
    """Return at which tokens an entity of a path begins, and which tokens are the last of one.

    An I-X that continues no entity of X begins one.

    paths (Tensor): tag indices, shape (n_docs, n_tokens); values at padding are ignored.
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    RETURNS (Tuple[Tensor, Tensor]): bool, both of shape (n_docs, n_tokens).
    """
    entity = (paths > 0) & mask
    # The begin tag of the token's label.
    label = (paths + 1) // 2
    continues = torch.zeros_like(entity)
    continues[:, 1:] = (
        entity[:, 1:] & (paths[:, 1:] % 2 == 0) & entity[:, :-1] & (label[:, 1:] == label[:, :-1])
    )
    last = entity.clone()
    last[:, :-1] &= ~continues[:, 1:]
    return entity & ~continues, last


def spans_of_paths(paths: Tensor, mask: Tensor) -> Tensor:
    """Return row, start, end (exclusive) and label index of the entities of paths, in order, shape (n_spans, 4)."""
    first, last = span_borders(paths, mask)
    row, start = first.nonzero(as_tuple=True)
    end = last.nonzero(as_tuple=True)[1] + 1
    return torch.stack([row, start, end, (paths[row, start] - 1) // 2], dim=1)


@torch.no_grad()
def path_span_probabilities(
    by_token: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor, paths: Tensor
) -> Tensor:
    """Return the probability of each entity of a path; see `Lattice.span_probabilities`.

    The sums are in float32 if the emissions are, and no message can be too small for it: then a probability is exact to
    about 1e-6. Otherwise they are in float64.

    by_token (Tensor), mask (Tensor), start (Tensor), transitions (Tensor), end (Tensor): see `build_lattice`.
    paths (Tensor): tag indices, shape (n_docs, n_tokens).
    RETURNS (Tensor): float64, shape (n_docs, n_tokens): at the first token of each entity its probability, 0 at all
        other tokens. On a device other than the CPU, the probability is nan in a row with a message that is too small
        for float64; `build_lattice` sums such a row.
    """
    on_cpu = by_token.device.type == "cpu"
    arcs, _ = make_arcs(transitions, end)
    # Only a CPU compares it at once.
    bound = bound_messages(by_token, mask, start, arcs).item() if on_cpu else math.inf
    single = by_token.dtype != torch.float64 and bound < -math.log(SMALLEST_SINGLE_MESSAGE)
    scores, _ = shift_scores(by_token, mask, start, torch.float32 if single else torch.float64)
    certain = bound < -math.log(SMALLEST_MESSAGE)
    sums = sum_scaled(scores if certain else scores.clone(), arcs)
    # The index of B-X for the label X of each token, shape (n_tokens, 1, n_docs).
    begin = (paths.T + 1).div(2, rounding_mode="floor").mul_(2).sub_(1).clamp_(min=1).unsqueeze(1)
    following = sums.messages[1:].gather(1, begin + 1)
    onward = arcs.exp().to(scores.dtype)
    into = onward.diagonal(1), onward.diagonal()
    after_begin = into[0][begin] * following / sums.ahead.gather(1, begin)
    after_inside = into[1][begin + 1] * following / sums.ahead.gather(1, begin + 1)
    begins = sums.states[:-1].gather(1, begin) / sums.states[:-1].sum(dim=1, keepdim=True).clamp(min=1e-30)
    found = _products(*(part.squeeze(1).T.double() for part in (begins, after_begin, after_inside)), paths, mask)
    if certain:
        return found
    lost = lost_rows(sums, scores, arcs)
    if not on_cpu:
        return found.masked_fill_(lost.unsqueeze(1) & (found > 0), torch.nan)
    if lost.any():
        lattice = build_lattice(by_token[:, :, lost], mask[lost], start, transitions, end)
        label = (begin.squeeze(1).T[lost].unsqueeze(2) - 1) // 2
        parts = (lattice.tag_marginals[:, :, 1::2], lattice.after_begin, lattice.after_inside)
        found[lost] = _products(*(part.gather(2, label).squeeze(2) for part in parts), paths[lost], mask[lost])
    return found


def _products(begins: Tensor, after_begin: Tensor, after_inside: Tensor, paths: Tensor, mask: Tensor) -> Tensor:
    """Multiply the probabilities of the steps of each entity.

    begins (Tensor): the probability of B-X at each token, where X is the label of its tag. All shapes are (n_docs,
        n_tokens).
    after_begin (Tensor): the probability that I-X comes next, given B-X.
    after_inside (Tensor): the same, given I-X.
    paths (Tensor), mask (Tensor): see `span_borders`.
    RETURNS (Tensor): the product at the first token of each entity, 0 at all other tokens.
    """
    first, last = span_borders(paths, mask)
    goes_on = torch.where(first, after_begin, after_inside).clamp_(max=1.0)
    steps = torch.where(last, 1 - goes_on, goes_on)
    steps = torch.where(first, steps * begins, steps)
    # The place of the first token of each token's entity.
    place = torch.arange(paths.shape[1], device=paths.device).expand_as(paths)
    owner = torch.where(first, place, 0).cummax(dim=1).values
    steps = torch.where((paths > 0) & mask, steps, 1.0)
    products = torch.ones_like(steps).scatter_reduce_(1, owner, steps, "prod")
    return torch.where(first, products, 0.0)
