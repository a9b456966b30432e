"""Greedy tagging with an autoregressive head, in rounds that look at many tokens at once, and beam search."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...core.crf import BioCRF
from ...core.head import Decoding, HeadOutput
from .prefixes import PrefixEncoder, first_cell

# Scores that lie no further apart are equal. One and the same score differs by rounding with what else is computed
# beside it; so a tie is a tie however the tokens were put together.
TIE = 1e-4
# Docs that are tagged together on a CPU.
GROUP = 64


class PrefixScorer(Protocol):
    """What a search asks of a head: scores of tokens, given the tags before them."""

    crf: BioCRF
    prefixes: PrefixEncoder

    def token_scores(self, tokens: Tensor) -> Tensor:
        """Return the part of the scores that comes from the tokens alone, shape (..., n_tags)."""

    def feature_scores(self, features: Tensor) -> Tensor:
        """Return the part of the scores that comes from the prefixes, shape (..., n_tags)."""

    def window_features(
        self, tokens: Tensor, mask: Tensor, labels: Tensor, forward: Tensor, place: Tensor, inside: Tensor
    ) -> Tensor:
        """Return the features of some tokens of each doc, shape (n_docs, n_looked_at, n_features)."""

    def scores_along(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the scores of all tokens with given prefixes, shape (n_docs, n_tokens, n_tags)."""

    def guess(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return tags that are likely near those that are searched for, shape (n_docs, n_tokens)."""


@dataclass
class Tagging:
    """The tags of a batch, and what they were chosen by.

    tags (Tensor): shape (n_docs, n_tokens).
    labels (Tensor): the label at each place of the longest prefix, shape (n_docs, n_tokens).
    scores (Tensor): scores of all tags, given the tags before each token, shape (n_docs, n_tokens, n_tags).
    rounds (Tensor): how often each doc was looked at, shape (n_docs,).
    """

    tags: Tensor
    labels: Tensor
    scores: Tensor
    rounds: Tensor


def rule_breaks(crf: BioCRF, before: Tensor, decoding: Decoding) -> Tensor:
    """Return how many rules each tag breaks after a label, shape (*before.shape, n_tags).

    crf (BioCRF): knows which tag may follow which.
    before (Tensor): the label before each token, any shape.
    decoding (Decoding): its `allowed` has the shape (*before.shape, n_tags).
    """
    forbidden = torch.cat([crf.forbidden_transitions, crf.forbidden_starts.unsqueeze(0)]) < 0
    breaks = forbidden[before].byte() * decoding.constrained
    return breaks if decoding.allowed is None else breaks + (~decoding.allowed).byte()


def linked(crf: BioCRF, scores: Tensor, before: Tensor) -> Tensor:
    """Add to scores what the CRF on top, if there is one, gives for the step from the label before."""
    if not crf.has_transitions:
        return scores
    return scores + torch.cat([crf.transitions, crf.start_transitions.unsqueeze(0)])[before]


def pick_tags(crf: BioCRF, scores: Tensor, before: Tensor, decoding: Decoding) -> Tensor:
    """Return the best tag of those that break the fewest rules, of equally good ones the first.

    scores (Tensor): shape (..., n_tags).
    before (Tensor): the label before each token, shape (...).
    """
    breaks = rule_breaks(crf, before, decoding)
    scores = linked(crf, scores, before).masked_fill(breaks > breaks.amin(dim=-1, keepdim=True), -torch.inf)
    return (scores >= scores.amax(dim=-1, keepdim=True) - TIE).byte().argmax(dim=-1)


def tag_probabilities(crf: BioCRF, scores: Tensor, before: Tensor, decoding: Decoding) -> Tensor:
    """Return the probability of each tag given the labels before it, float64, 0 for a tag that breaks a rule."""
    forbidden = rule_breaks(crf, before, decoding) > 0
    scores = linked(crf, scores, before).double() / decoding.temperature
    # Where all are forbidden there is no distribution.
    return scores.masked_fill(forbidden, -torch.inf).softmax(dim=-1).nan_to_num(0.0)


@torch.no_grad()
def tag_greedily(head: PrefixScorer, output: HeadOutput, decoding: Decoding, block: int) -> Tagging:
    """Give each token the best tag given those before it, as tagging one token after the other would.

    Fixed-point (Jacobi) rounds: the tags start as a guess. A round computes the tags of the next `block` tokens of each
    doc, with the tags there are as prefixes. Up to the first that changes they have the prefixes that they would have
    had one after the other, so they are final, that one included, and the next round goes on after it. Docs that are
    through are left alone. With a block of 1 this is one token after the other, with one of the whole length a round
    looks at all that is not final.

    head (PrefixScorer): the head.
    output (HeadOutput): its output, for the token vectors.
    decoding (Decoding): the rules.
    block (int): tokens of a doc in a round.
    """
    tokens, mask = output.tokens, output.mask
    lengths = mask.sum(dim=1)
    prefixes, last_place = head.prefixes, mask.shape[1] - 1
    token_scores = head.token_scores(tokens)
    tags = head.guess(output, decoding)
    labels, scores = prefixes.labels(tags), token_scores.clone()
    done, rounds = torch.zeros_like(lengths), torch.zeros_like(lengths)
    inputs = prefixes.inputs(prefixes.forward_lstm)
    # What the forward half makes of each place, and its state at the place of the first token that is not done.
    forward = tokens.new_zeros(*labels.shape, prefixes.width)
    hidden, cell = first_cell(inputs[labels[:, 0]])
    while len(active := (done < lengths).nonzero().squeeze(1)):
        first = done[active]
        steps = torch.arange(min(block, int((lengths[active] - first).max())), device=mask.device)
        place = first.unsqueeze(1) + steps
        inside = place < lengths[active].unsqueeze(1)
        place = place.clamp(max=last_place)
        row = active.unsqueeze(1).expand(place.shape)
        before = labels[row, place]
        state = hidden[active], cell[active]
        states = [state]
        for column in before.unbind(1)[1:]:
            states.append(state := prefixes.read_on(column, inputs, state))
        hiddens, cells = (torch.stack(parts, dim=1) for parts in zip(*states, strict=True))
        forward[row[inside], place[inside]] = hiddens[inside]
        features = head.window_features(tokens[active], mask[active], labels[active], forward[active], place, inside)
        found = token_scores[row, place] + head.feature_scores(features)
        allowed = None if decoding.allowed is None else decoding.allowed[row, place]
        new = pick_tags(head.crf, found, before, Decoding(decoding.constrained, allowed))
        changed = (new != tags[row, place]) & inside
        # Tokens that are final now, the first that changed being the last of them.
        last = torch.where(changed.any(dim=1), changed.byte().argmax(dim=1), inside.sum(dim=1) - 1)
        tags[row[inside], place[inside]] = new[inside]
        scores[row[inside], place[inside]] = found[inside]
        followed = inside & (place < last_place)
        labels[row[followed], place[followed] + 1] = new[followed]
        done[active] = first + last + 1
        rounds[active] += 1
        each = torch.arange(len(active), device=mask.device)
        label = labels[active, done[active].clamp(max=last_place)]
        hidden[active], cell[active] = prefixes.read_on(label, inputs, (hiddens[each, last], cells[each, last]))
    return Tagging(tags, labels, scores, rounds)


def tag_in_groups(head: PrefixScorer, output: HeadOutput, decoding: Decoding, block: int) -> Tagging:
    """Call `tag_greedily` on groups of docs of like lengths, so that little of what is computed is padding."""
    lengths = output.mask.sum(dim=1)
    if len(lengths) <= GROUP:
        return tag_greedily(head, output, decoding, block)
    labels = torch.zeros_like(output.mask, dtype=torch.long)
    whole = Tagging(labels.clone(), labels, torch.zeros_like(output.emissions), torch.zeros_like(lengths))
    for rows in lengths.argsort().split(GROUP):
        longest = int(lengths[rows[-1]])
        emissions, mask, tokens = (values[rows, :longest] for values in (output.emissions, output.mask, output.tokens))
        allowed = None if decoding.allowed is None else decoding.allowed[rows, :longest]
        part = HeadOutput(emissions, mask, tokens)
        found = tag_greedily(head, part, Decoding(decoding.constrained, allowed), block)
        whole.tags[rows, :longest], whole.labels[rows, :longest] = found.tags, found.labels
        whole.scores[rows, :longest], whole.rounds[rows] = found.scores, found.rounds
    return whole


@torch.no_grad()
def search_beam(head: PrefixScorer, output: HeadOutput, decoding: Decoding, beam: int) -> Tagging:
    """Find the most probable tags that a beam search meets, one token after the other.

    head (PrefixScorer): the head.
    output (HeadOutput): its output, for the token vectors.
    decoding (Decoding): the rules. A tag that breaks more of them than another has probability 0.
    beam (int): prefixes followed at once for each doc.
    """
    tokens, mask = output.tokens, output.mask
    n_docs, n_tokens = mask.shape
    lengths = mask.sum(dim=1)
    prefixes, n_tags = head.prefixes, output.emissions.shape[2]
    token_scores = head.token_scores(tokens)
    inputs = prefixes.inputs(prefixes.forward_lstm)
    # One row a prefix; at first there is one only.
    doc = torch.arange(n_docs, device=mask.device).repeat_interleave(beam)
    weights = tokens.new_full((n_docs, beam), -torch.inf, dtype=torch.float64)
    weights[:, 0] = 0.0
    tags = torch.zeros(len(doc), n_tokens, dtype=torch.long, device=mask.device)
    labels = prefixes.labels(tags)
    forward = tokens.new_zeros(*labels.shape, prefixes.width)
    hidden, cell = first_cell(inputs[labels[:, 0]])
    for i in range(n_tokens):
        forward[:, i] = hidden
        active = (i < lengths[doc]).nonzero().squeeze(1)
        place = torch.full((len(active), 1), i, device=mask.device)
        inside = torch.ones_like(place, dtype=torch.bool)
        of_doc = doc[active]
        features = head.window_features(tokens[of_doc], mask[of_doc], labels[active], forward[active], place, inside)
        found = token_scores[of_doc, i] + head.feature_scores(features.squeeze(1))
        allowed = None if decoding.allowed is None else decoding.allowed[doc[active], i]
        before = labels[active, i]
        breaks = rule_breaks(head.crf, before, Decoding(decoding.constrained, allowed))
        found = linked(head.crf, found, before).double()
        found = found.masked_fill(breaks > breaks.amin(dim=-1, keepdim=True), -torch.inf).log_softmax(dim=-1)
        going = i < lengths
        sums = (weights[going].unsqueeze(2) + found.view(-1, beam, n_tags)).flatten(1)
        weights[going], best = sums.topk(beam, dim=1)
        kept = torch.arange(len(doc), device=mask.device)
        kept[active] = (best // n_tags + doc[active].view(-1, beam)[:, :1] * beam).flatten()
        tags, labels, forward = tags[kept], labels[kept], forward[kept]
        hidden, cell = hidden[kept], cell[kept]
        tags[active, i] = (best % n_tags).flatten()
        if i + 1 < n_tokens:
            labels[:, i + 1] = tags[:, i]
            hidden, cell = prefixes.read_on(labels[:, i + 1], inputs, (hidden, cell))
    tags = tags.view(n_docs, beam, n_tokens)[:, 0]
    labels = prefixes.labels(tags)
    return Tagging(tags, labels, head.scores_along(output, labels), lengths)
