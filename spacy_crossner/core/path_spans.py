"""The entity spans of decoded paths, and their probabilities, without a wait for the device."""

import math
from typing import Tuple

import torch
from torch import Tensor

from .lattice import build_lattice
from .rows import Rows
from .sums import (
    SMALLEST_MESSAGE,
    SMALLEST_SINGLE_MESSAGE,
    bound_messages,
    lost_rows,
    shift_scores,
    sum_scaled,
)


def span_borders(paths: Tensor, inside: Tensor) -> Tuple[Tensor, Tensor]:
    """Return at which tokens an entity of a path begins, and which tokens are the last of one.

    An I-X that continues no entity of X begins one.

    paths (Tensor): tag indices, shape (n_tokens, n_docs); values at padding are ignored.
    inside (Tensor): True at tokens, shape (n_tokens, n_docs).
    RETURNS (Tuple[Tensor, Tensor]): bool, both of shape (n_tokens, n_docs).
    """
    entity = (paths > 0) & inside
    # I-X comes after its B-X and itself.
    continues = torch.zeros_like(entity)
    is_inside = entity[1:] & (paths[1:] % 2 == 0)
    continues[1:] = is_inside & ((paths[:-1] == paths[1:]) | (paths[:-1] == paths[1:] - 1))
    last = entity.clone()
    last[:-1] &= ~continues[1:]
    return entity & ~continues, last


def spans_of_paths(paths: Tensor, mask: Tensor) -> Tensor:
    """Return row, start, end (exclusive) and label index of the entities of paths, in order, shape (n_spans, 4).

    paths (Tensor): tag indices, shape (n_docs, n_tokens); values at padding are ignored.
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    """
    first, last = span_borders(paths.T, mask.T)
    row, start = first.T.nonzero(as_tuple=True)
    end = last.T.nonzero(as_tuple=True)[1] + 1
    return torch.stack([row, start, end, (paths[row, start] - 1) // 2], dim=1)


@torch.no_grad()
def path_span_probabilities(
    rows: Rows, start: Tensor, transitions: Tensor, end: Tensor, paths: Tensor, mask: Tensor
) -> Tensor:
    """Return the probability of each entity of a path; see `Lattice.span_probabilities`.

    The sums are in float32 if the emissions are, and no message can be too small for it: then a probability is exact to
    about 1e-6. Otherwise they are in float64.

    rows (Rows), start (Tensor), transitions (Tensor), end (Tensor): see `build_lattice`.
    paths (Tensor): tag indices, in the order of `rows`, shape (n_tokens_in_all,).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    RETURNS (Tensor): float64, shape (n_docs, n_tokens): at the first token of each entity its probability, 0 at all
        other tokens.
    """
    bound = bound_messages(rows, start, transitions, end)
    single = rows.tokens.dtype != torch.float64 and bound < -math.log(SMALLEST_SINGLE_MESSAGE)
    certain = bound < -math.log(SMALLEST_MESSAGE)
    scores = shift_scores(rows, start, transitions, end, torch.float32 if single else torch.float64)
    sums = sum_scaled(rows, scores, scores.tokens if certain else scores.tokens.clone())
    # The index of B-X for the label X of each token, shape (1, n_tokens_in_all).
    begin = (paths + 1).div_(2, rounding_mode="floor").mul_(2).sub_(1).clamp_(min=1).unsqueeze(0)
    # The message of the next token for I-X, 0 where the row ends.
    following = torch.zeros_like(begin, dtype=sums.messages.dtype)
    previous = rows.previous
    following[:, previous] = sums.messages[:, rows.active[0] :].gather(0, begin[:, previous] + 1)
    weights = scores.transitions.exp().to(following.dtype)
    steps = torch.cat(
        [
            sums.states.gather(0, begin) / sums.states.sum(dim=0).clamp_(min=SMALLEST_SINGLE_MESSAGE),
            weights.diagonal(1)[begin] * following / sums.ahead.gather(0, begin),
            weights.diagonal()[begin + 1] * following / sums.ahead.gather(0, begin + 1),
        ]
    )
    n_tokens = mask.shape[1]
    # shape: (n_docs, n_tokens, 3)
    steps = rows.restore(steps.double(), n_tokens)
    padded = rows.restore(paths, n_tokens)
    if not certain:
        lost = lost_rows(rows, scores, sums)
        if lost.any():
            lattice = build_lattice(rows.select(lost), start, transitions, end, n_tokens)
            docs = rows.order[lost]
            label = ((padded[docs] + 1) // 2 - 1).clamp_(min=0).unsqueeze(2)
            again = (lattice.tag_marginals[:, :, 1::2], lattice.after_begin, lattice.after_inside)
            steps[docs] = torch.cat([values.gather(2, label) for values in again], dim=2)
    begins, after_begin, after_inside = steps.permute(2, 1, 0)
    return multiply_steps(begins, after_begin, after_inside, padded.T, mask.T).T


def multiply_steps(begins: Tensor, after_begin: Tensor, after_inside: Tensor, paths: Tensor, inside: Tensor) -> Tensor:
    """Multiply the probabilities of the steps of each entity of paths; all shapes are (n_tokens, n_docs).

    begins (Tensor): the probability of B-X at each token, where X is the label of its tag.
    after_begin (Tensor): the probability that I-X comes next, given B-X.
    after_inside (Tensor): the same, given I-X.
    paths (Tensor), inside (Tensor): see `span_borders`.
    RETURNS (Tensor): the product at the first token of each entity, 0 at all other tokens.
    """
    first, last = span_borders(paths, inside)
    goes_on = torch.where(first, after_begin, after_inside).clamp_(max=1.0)
    steps = torch.where(last, 1 - goes_on, goes_on)
    steps = torch.where(first, steps * begins, steps)
    steps = torch.where((paths > 0) & inside, steps, 1.0)
    # The place of the first token of each token's entity.
    place = torch.arange(len(paths), device=paths.device).unsqueeze(1)
    owner = torch.where(first, place, 0).cummax(dim=0).values
    products = torch.ones_like(steps).scatter_reduce_(0, owner, steps, "prod")
    return torch.where(first, products, 0.0)
