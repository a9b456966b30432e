"""Sums over the paths of a linear-chain CRF in probability space: one matrix product for each token position.

The docs are the last dimension everywhere, so that the operations of a step read contiguous memory. The states are the
tags and, as the last state, the end of the row, which all padding has.
"""

import math
from typing import NamedTuple, Tuple

import torch
from torch import Tensor

# Rows with a smaller message are computed again in log space. Its square is still a normal number in float64.
SMALLEST_MESSAGE = 1e-150
# The same for float32, which is used only if no message is smaller. Its inverse is far from an overflow.
SMALLEST_SINGLE_MESSAGE = 1e-30


class Sums(NamedTuple):
    """Sums over all paths of a batch of rows.

    log_partition (Tensor): log of the sum over the paths, -inf for a row without one, float64, shape (n_docs,).
    states (Tensor): probability of each state at each position, shape (n_tokens + 1, n_states, n_docs). Rounding lets
        their sum drift from 1 in a long row.
    messages (Tensor): sum over the ways on from a state, its own score included; they sum to 1 over the states. Shape
        of `states`.
    ahead (Tensor): the sum over the ways on from a state in units of the messages of the next position, without the
        state's own score. Shape (n_tokens, n_states, n_docs).
    scales (Tensor): the sum of the messages before they were scaled, shape (n_tokens, 1, n_docs).
    """

    log_partition: Tensor
    states: Tensor
    messages: Tensor
    ahead: Tensor
    scales: Tensor


def make_arcs(transitions: Tensor, end: Tensor) -> Tuple[Tensor, Tensor]:
    """Return the scores of the transitions between states, at most 0, and by how much they were shifted.

    transitions (Tensor): score of each transition, -inf if it is forbidden, shape (n_tags, n_tags).
    end (Tensor): score of each tag as the last, shape (n_tags,).
    RETURNS (Tuple[Tensor, Tensor]): float64, row = from, column = to, shape (n_tags + 1, n_tags + 1); and a scalar.
    """
    n_tags = len(end)
    arcs = torch.full((n_tags + 1, n_tags + 1), -torch.inf, dtype=torch.float64, device=end.device)
    arcs[:-1, :-1] = transitions
    arcs[:-1, -1] = end
    steepest = arcs.max()
    arcs -= steepest
    arcs[-1, -1] = 0.0
    return arcs, steepest


def shift_scores(by_token: Tensor, mask: Tensor, start: Tensor, dtype: torch.dtype) -> Tuple[Tensor, Tensor]:
    """Return the scores of the states, at most 0, and by how much each row was shifted in all.

    by_token (Tensor): emissions, -inf for forbidden tags, shape (n_tokens, n_tags, n_docs).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    start (Tensor): score of each tag as the first, -inf if it is forbidden, shape (n_tags,).
    dtype (torch.dtype): of the scores.
    RETURNS (Tuple[Tensor, Tensor]): shape (n_tokens + 1, n_tags + 1, n_docs), and float64, shape (n_docs,).
    """
    n_tokens, n_tags, n_docs = by_token.shape
    padding = ~mask.T
    scores = torch.empty((n_tokens + 1, n_tags + 1, n_docs), dtype=dtype, device=by_token.device)
    scores[:-1, :-1] = by_token
    scores[0, :-1] += start.to(dtype).unsqueeze(1)
    scores[:-1, :-1].masked_fill_(padding.unsqueeze(1), -torch.inf)
    scores[:-1, -1] = torch.where(padding, 0.0, -torch.inf)
    scores[-1, :-1], scores[-1, -1] = -torch.inf, 0.0
    highest = scores.amax(dim=1, keepdim=True).clamp_(min=torch.finfo(dtype).min)
    scores -= highest
    return scores, highest.double().sum(dim=(0, 1))


def bound_messages(by_token: Tensor, mask: Tensor, start: Tensor, arcs: Tensor) -> Tensor:
    """Return an upper bound of minus the log of every unscaled message on a legal path; inf or nan if it is unknown.

    From each tag a legal path leads to the best next tag, or to its B-X and on from there. So a message is behind the
    best by at most the spread of two emissions and of three transitions. The arguments are those of `shift_scores` and
    the scores of `make_arcs`. If transitions are forbidden, they are those to I-X from other tags than B-X and I-X.

    RETURNS (Tensor): float64, a scalar.
    """
    spread = (by_token.amax(dim=1) - by_token.amin(dim=1)).masked_fill(~mask.T, 0.0).max().double()
    spread = spread + start.max() - torch.where(start > -torch.inf, start, torch.inf).min()
    steep = torch.where(arcs > -torch.inf, arcs, 0.0).min()
    return 2 * spread - 3 * steep + math.log(len(arcs))


def sum_scaled(scores: Tensor, arcs: Tensor) -> Sums:
    """Sum over all paths, with messages that are scaled to sum to 1 at each position (Rabiner 1989).

    scores (Tensor): see `shift_scores`; overwritten by the messages.
    arcs (Tensor): see `make_arcs`.
    """
    tiny = torch.finfo(scores.dtype).tiny
    messages, onward = scores.exp_(), arcs.exp().to(scores.dtype)
    ahead = torch.empty_like(messages[:-1])
    scales = torch.empty_like(messages[:-1, :1])
    rows = messages.unbind()
    for row, after, to_come, scale in reversed(
        list(zip(rows[:-1], rows[1:], ahead.unbind(), scales.unbind(), strict=True))
    ):
        row.mul_(torch.mm(onward, after, out=to_come))
        # In a row without a legal path the sum is 0.
        row.div_(torch.sum(row, dim=0, keepdim=True, out=scale).clamp(min=tiny))
    # Against divisions by zero in states without a way on, whose probability is 0.
    ahead.clamp_(min=tiny)
    into = onward.T.contiguous()
    states = torch.empty_like(messages)
    # The messages of the first token include the start scores, so they are the probabilities of the first states.
    states[0] = messages[0]
    ways = states.unbind()
    share, reached = torch.empty_like(ways[0]), torch.empty_like(ways[0])
    for before, to_come, row, state in zip(ways[:-1], ahead.unbind(), rows[1:], ways[1:], strict=True):
        torch.mul(row, torch.mm(into, torch.div(before, to_come, out=share), out=reached), out=state)
    return Sums(scales.double().log().sum(dim=(0, 1)), states, messages, ahead, scales)


def lost_rows(sums: Sums, scores: Tensor, arcs: Tensor) -> Tensor:
    """Return which rows had an underflow, bool, shape (n_docs,).

    A small message is an underflow only if a legal path continues from the state. Otherwise 0 is correct.

    sums (Sums): the sums, in float64.
    scores (Tensor), arcs (Tensor): the arguments of `sum_scaled`.
    """
    small = (sums.messages[:-1] * sums.scales < SMALLEST_MESSAGE) & (scores[:-1] > -torch.inf)
    leads_on = torch.isfinite(arcs).double() @ (sums.messages[1:] > 0).double() > 0
    return (small & leads_on).any(dim=1).any(dim=0)
