"""Sums over the paths of a linear-chain CRF in probability space: one matrix product for each token position."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .rows import Rows

# Rows with a smaller message are computed again in log space. Its square is still a normal number in float64.
SMALLEST_MESSAGE = 1e-150
# The same for float32, which is used only if no message is smaller. Its inverse is far from an overflow.
SMALLEST_SINGLE_MESSAGE = 1e-30


class Scores(NamedTuple):
    """The scores of a batch of rows, each shifted to at most 0.

    tokens (Tensor): scores of the tags at each token, those of the first tokens included. Shape (n_tags,
        n_tokens_in_all), in the order of the rows.
    transitions (Tensor): score of each transition, -inf if it is forbidden, float64, row = from, column = to, shape
        (n_tags, n_tags).
    end (Tensor): score of each tag as the last, float64, shape (n_tags,).
    shift (Tensor): by how much the scores of each row were shifted in all, float64, shape (n_docs,).
    """

    tokens: Tensor
    transitions: Tensor
    end: Tensor
    shift: Tensor


class Sums(NamedTuple):
    """Sums over all paths of a batch of rows; the tokens are in the order of the rows.

    log_partition (Tensor): log of the sum over the paths, -inf for a row without one, float64, shape (n_docs,).
    states (Tensor): probability of each tag at each token, shape (n_tags, n_tokens_in_all). Rounding lets their sum
        drift from 1 in a long row.
    messages (Tensor): sum over the ways on from a tag, its own score included; they sum to 1 over the tags. Shape of
        `states`.
    ahead (Tensor): the same without the tag's own score, in units of the messages of the next token. Shape of `states`.
    scales (Tensor): the sum of the messages before they were scaled, shape (n_tokens_in_all,).
    """

    log_partition: Tensor
    states: Tensor
    messages: Tensor
    ahead: Tensor
    scales: Tensor


def shift_scores(rows: Rows, start: Tensor, transitions: Tensor, end: Tensor, dtype: torch.dtype) -> Scores:
    """Return the scores of rows, those of the tokens in another type; the arguments are those of `build_lattice`."""
    tokens = rows.tokens.to(dtype, copy=True)
    tokens[:, : rows.active[0]] += start.to(dtype).unsqueeze(1)
    highest = tokens.amax(dim=0).clamp_(min=torch.finfo(dtype).min)
    tokens -= highest
    steepest, last = transitions.max().double(), end.max().double()
    shift = (rows.lengths - 1) * steepest + last
    shift.index_add_(0, rows.row, highest.double())
    return Scores(tokens, transitions.double() - steepest, end.double() - last, shift)


def bound_messages(rows: Rows, start: Tensor, transitions: Tensor, end: Tensor) -> float:
    """Return an upper bound of minus the log of every message on a legal path; inf or nan if it is unknown.

    From each tag a legal path leads to the best next tag, or to its B-X and on from there. So a message is behind the
    best by at most the spread of two emissions and of three transitions. The arguments are those of `build_lattice`.
    """
    spread = (rows.tokens.amax(dim=0) - rows.tokens.amin(dim=0)).max().double()
    spread = spread + start.max() - start[start > -torch.inf].min()
    steep = max(transitions.max() - transitions[transitions > -torch.inf].min(), end.max() - end.min())
    return float(2 * spread + 3 * steep + math.log(len(end)))


def sum_scaled(rows: Rows, scores: Scores, tokens: Tensor) -> Sums:
    """Sum over all paths, with messages that are scaled to sum to 1 at each token (Rabiner 1989).

    rows (Rows): the rows.
    scores (Scores): their scores.
    tokens (Tensor): `scores.tokens` or a copy, which the messages overwrite.
    """
    tiny = torch.finfo(tokens.dtype).tiny
    messages = tokens.exp_()
    onward = scores.transitions.exp().to(messages.dtype)
    ahead, scales = torch.empty_like(messages), torch.empty_like(messages[0])
    # Where a row ends; the other values are overwritten.
    ahead[:] = scores.end.exp().to(messages.dtype).unsqueeze(1)
    own, to_come, sums = (rows.by_position(each) for each in (messages, ahead, scales.unsqueeze(0)))
    after = own[0][:, :0]
    for here, coming, scale in zip(reversed(own), reversed(to_come), reversed(sums), strict=True):
        torch.mm(onward, after, out=coming[:, : after.shape[1]])
        after = here.mul_(coming)
        # In a row without a legal path the sum is 0.
        after.div_(torch.sum(after, dim=0, keepdim=True, out=scale).clamp(min=tiny))
    # Against divisions by zero in tags without a way on, whose probability is 0.
    ahead.clamp_(min=tiny)
    into = onward.T.contiguous()
    states = torch.empty_like(messages)
    ways = rows.by_position(states)
    # The messages of the first token include the start scores, so they are the probabilities of the first tags.
    ways[0].copy_(own[0])
    for before, coming, state, here, n in zip(ways, to_come, ways[1:], own[1:], rows.active[1:], strict=False):
        torch.mul(here, into @ (before[:, :n] / coming[:, :n]), out=state)
    log_partition = torch.zeros_like(rows.lengths, dtype=torch.float64).index_add_(0, rows.row, scales.double().log())
    return Sums(log_partition, states, messages, ahead, scales)


def lost_rows(rows: Rows, scores: Scores, sums: Sums) -> Tensor:
    """Return which rows had an underflow, bool, shape (n_docs,).

    A small message is an underflow only if a legal path continues from the tag. Otherwise 0 is correct.
    """
    small = (sums.messages * sums.scales < SMALLEST_MESSAGE) & (scores.tokens > -torch.inf)
    leads_on = torch.ones_like(small)
    next_tokens = sums.messages[:, rows.active[0] :] > 0
    leads_on[:, rows.previous] = torch.isfinite(scores.transitions).double() @ next_tokens.double() > 0
    return rows.has((small & leads_on).any(dim=0))
