"""Shared parts of greedy and beam search: scores given the tags before a token, decoding rules, choice of a tag."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...core.crf import BioCRF
from ...core.head import Decoding

# Scores that differ by no more than this count as equal. The rounding of a score depends on its batch. With a
# tolerance, the choice between equal scores does not.
TIE = 1e-4


@dataclass
class Tagging:
    """The tags of a batch, and the scores by which they were chosen.

    tags (Tensor): shape (n_docs, n_tokens).
    labels (Tensor): the label at each position of the longest prefix, shape (n_docs, n_tokens).
    scores (Tensor): scores of all tags, given the tags before each token, shape (n_docs, n_tokens, n_tags).
    rounds (Tensor): number of rounds that scored each doc, shape (n_docs,).
    """

    tags: Tensor
    labels: Tensor
    scores: Tensor
    rounds: Tensor


def count_broken_rules(crf: BioCRF, before: Tensor, decoding: Decoding) -> Tensor:
    """Return the number of rules that each tag breaks after a label, shape (*before.shape, n_tags).

    crf (BioCRF): holds the allowed transitions.
    before (Tensor): the label before each token, any shape.
    decoding (Decoding): its `allowed` has the shape (*before.shape, n_tags).
    """
    forbidden = torch.cat([crf.forbidden_transitions, crf.forbidden_starts.unsqueeze(0)]) < 0
    broken = forbidden[before].byte() * decoding.constrained
    return broken if decoding.allowed is None else broken + (~decoding.allowed).byte()


def add_transitions(crf: BioCRF, scores: Tensor, before: Tensor) -> Tensor:
    """Add the transition scores of the CRF on top, if there is one.

    scores (Tensor): shape (..., n_tags).
    before (Tensor): the label before each token, shape (...).
    """
    if not crf.has_transitions:
        return scores
    return scores + torch.cat([crf.transitions, crf.start_transitions.unsqueeze(0)])[before]


def rule_scores(crf: BioCRF, scores: Tensor, before: Tensor, decoding: Decoding) -> Tensor:
    """Return scores with transitions. The score is -inf for a tag that breaks more rules than another tag.

    scores (Tensor): shape (..., n_tags).
    before (Tensor): the label before each token, shape (...).
    decoding (Decoding): its `allowed` has the shape of the scores.
    """
    broken = count_broken_rules(crf, before, decoding)
    return add_transitions(crf, scores, before).masked_fill(broken > broken.amin(dim=-1, keepdim=True), -torch.inf)


def pick_tags(crf: BioCRF, scores: Tensor, before: Tensor, decoding: Decoding) -> Tensor:
    """Return the best tag among those that break the fewest rules; of equal tags, the first. See `rule_scores`."""
    scores = rule_scores(crf, scores, before, decoding)
    return (scores >= scores.amax(dim=-1, keepdim=True) - TIE).byte().argmax(dim=-1)


def tag_probabilities(crf: BioCRF, scores: Tensor, before: Tensor, decoding: Decoding) -> Tensor:
    """Return the probability of each tag given the labels before it, float64, 0 for a tag that breaks a rule."""
    forbidden = count_broken_rules(crf, before, decoding) > 0
    scores = add_transitions(crf, scores, before).double() / decoding.temperature
    # If all tags are forbidden, softmax gives NaN.
    return scores.masked_fill(forbidden, -torch.inf).softmax(dim=-1).nan_to_num(0.0)
