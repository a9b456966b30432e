"""Greedy tagging with an autoregressive head, in rounds that score many tokens at once."""

import torch

from ...core.head import Decoding, HeadOutput
from ...tuning import LANER_GROUP_DOCS
from .prefixes import first_cell
from .tagging import PrefixScorer, Tagging, pick_tags


@torch.no_grad()
def tag_greedily(head: PrefixScorer, output: HeadOutput, decoding: Decoding, block: int) -> Tagging:
    """Give each token the best tag, given the tags before it.

    The result equals tagging one token after the other, but is computed in fixed-point (Jacobi) rounds. The first tags
    are a guess. A round scores the next `block` tokens of each doc, with the current tags as prefixes. The tags up to
    and including the first that changes had final prefixes, so they are final, and the next round begins after them.
    Finished docs are left out. A block of 1 is tagging one token after the other. With a block of the whole length, a
    round scores all tokens that are not final.

    head (PrefixScorer): the head.
    output (HeadOutput): the output of the head; only token vectors and mask are used.
    decoding (Decoding): the rules.
    block (int): number of tokens of a doc that a round scores.
    """
    tokens, mask = output.tokens, output.mask
    lengths = mask.sum(dim=1)
    prefixes, last_position = head.prefixes, mask.shape[1] - 1
    token_scores = head.token_scores(tokens)
    tags = head.guess(output, decoding)
    labels, scores = prefixes.labels(tags), token_scores.clone()
    n_final, rounds = torch.zeros_like(lengths), torch.zeros_like(lengths)
    inputs = prefixes.inputs(prefixes.forward_lstm)
    # The forward states of all positions, and the LSTM's state at the position of the first token that is not final.
    forward = tokens.new_zeros(*labels.shape, prefixes.width)
    hidden, cell = first_cell(inputs[labels[:, 0]])
    while len(active := (n_final < lengths).nonzero().squeeze(1)):
        first = n_final[active]
        steps = torch.arange(min(block, int((lengths[active] - first).max())), device=mask.device)
        position = first.unsqueeze(1) + steps
        is_token = position < lengths[active].unsqueeze(1)
        position = position.clamp(max=last_position)
        row = active.unsqueeze(1).expand(position.shape)
        before = labels[row, position]
        state = hidden[active], cell[active]
        states = [state]
        for column in before.unbind(1)[1:]:
            states.append(state := prefixes.read_on(column, inputs, state))
        hiddens, cells = (torch.stack(values, dim=1) for values in zip(*states, strict=True))
        forward[row[is_token], position[is_token]] = hiddens[is_token]
        features = head.features_at(tokens[active], mask[active], labels[active], forward[active], position, is_token)
        new_scores = token_scores[row, position] + head.feature_scores(features)
        allowed = None if decoding.allowed is None else decoding.allowed[row, position]
        new_tags = pick_tags(head.crf, new_scores, before, Decoding(decoding.constrained, allowed))
        changed = (new_tags != tags[row, position]) & is_token
        # The column of the last tag that is now final: the first changed tag, or the last token of the block.
        last = torch.where(changed.any(dim=1), changed.byte().argmax(dim=1), is_token.sum(dim=1) - 1)
        tags[row[is_token], position[is_token]] = new_tags[is_token]
        scores[row[is_token], position[is_token]] = new_scores[is_token]
        has_next = is_token & (position < last_position)
        labels[row[has_next], position[has_next] + 1] = new_tags[has_next]
        n_final[active] = first + last + 1
        rounds[active] += 1
        each = torch.arange(len(active), device=mask.device)
        label = labels[active, n_final[active].clamp(max=last_position)]
        hidden[active], cell[active] = prefixes.read_on(label, inputs, (hiddens[each, last], cells[each, last]))
    return Tagging(tags, labels, scores, rounds)


def tag_in_groups(head: PrefixScorer, output: HeadOutput, decoding: Decoding, block: int) -> Tagging:
    """Call `tag_greedily` on groups of docs of similar lengths, which have little padding."""
    lengths = output.mask.sum(dim=1)
    if len(lengths) <= LANER_GROUP_DOCS:
        return tag_greedily(head, output, decoding, block)
    labels = torch.zeros_like(output.mask, dtype=torch.long)
    whole = Tagging(labels.clone(), labels, torch.zeros_like(output.emissions), torch.zeros_like(lengths))
    for rows in lengths.argsort().split(LANER_GROUP_DOCS):
        longest = int(lengths[rows[-1]])
        emissions, mask, tokens = (values[rows, :longest] for values in (output.emissions, output.mask, output.tokens))
        allowed = None if decoding.allowed is None else decoding.allowed[rows, :longest]
        rules = Decoding(decoding.constrained, allowed)
        group = tag_greedily(head, HeadOutput(emissions, mask, tokens), rules, block)
        whole.tags[rows, :longest], whole.labels[rows, :longest] = group.tags, group.labels
        whole.scores[rows, :longest], whole.rounds[rows] = group.scores, group.rounds
    return whole
