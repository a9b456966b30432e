"""Greedy tagging with an autoregressive head, in rounds that score many tokens at once."""

from typing import Optional

import torch
from torch import Tensor

from ...core.crf import BioCRF
from ...core.head import Decoding, HeadOutput
from ...tuning import LANER_GROUP_DOCS, LANER_GUESS_ROUNDS, LANER_ROUNDS_A_CHECK
from .scorer import LabelAwareHead, LabelReader, PrefixScorer
from .tagging import Tagging, pick_tags


@torch.no_grad()
def tag_greedily(
    head: LabelAwareHead, output: HeadOutput, decoding: Decoding, block: int, reader: Optional[LabelReader] = None
) -> Tagging:
    """Give each token the best tag, given the tags before it.

    The result equals tagging one token after the other, but is computed in fixed-point (Jacobi) rounds. The first tags
    are a guess. A round scores the next `block` tokens of each doc, with the current tags as prefixes. The tags up to
    and including the first that changes had final prefixes, so they are final, and the next round begins after them.
    Finished docs are left out. A block of 1 is tagging one token after the other. With a block of the whole length, a
    round scores all tokens that are not final.

    head (LabelAwareHead): the head.
    output (HeadOutput): the output of the head; only token vectors and mask are used.
    decoding (Decoding): the rules.
    block (int): number of tokens of a doc that a round scores.
    reader (Optional[LabelReader]): made from the head's prefix encoder; None to make one.
    """
    mask = output.mask
    lengths, last_position = mask.sum(dim=1), mask.shape[1] - 1
    scorer = PrefixScorer(head, output, reader or LabelReader(head.prefixes))
    tags = guess(head.crf, scorer, mask, decoding)
    labels, scores = head.prefixes.labels(tags), torch.zeros_like(scorer.token_scores)
    n_final, rounds = torch.zeros_like(lengths), torch.zeros_like(lengths)
    # The forward states of all positions, and the LSTM's state at the position of the first token that is not final.
    forward = scores.new_zeros(*labels.shape, head.prefixes.width)
    cell = scorer.reader.forward_cell
    hidden, memory = cell.step(labels[:, 0], cell.start(len(labels)))
    while len(active := (n_final < lengths).nonzero().squeeze(1)):
        first = n_final[active]
        steps = torch.arange(min(block, int((lengths[active] - first).max())))
        position = first.unsqueeze(1) + steps
        is_token = position < lengths[active].unsqueeze(1)
        position = position.clamp(max=last_position)
        row = active.unsqueeze(1).expand(position.shape)
        before = labels[row, position]
        state = hidden[active], memory[active]
        states = [state]
        for column in before.unbind(1)[1:]:
            states.append(state := cell.step(column, state))
        hiddens, memories = (torch.stack(values, dim=1) for values in zip(*states, strict=True))
        forward[row[is_token], position[is_token]] = hiddens[is_token]
        new_scores = scorer.scores(active, position, is_token, labels[active], forward[active])
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
        each = torch.arange(len(active))
        label = labels[active, n_final[active].clamp(max=last_position)]
        hidden[active], memory[active] = cell.step(label, (hiddens[each, last], memories[each, last]))
    return Tagging(tags, labels, scores, rounds)


@torch.no_grad()
def tag_in_full_rounds(head: LabelAwareHead, output: HeadOutput, decoding: Decoding) -> Tagging:
    """Give each token the best tag, given the tags before it: for a GPU.

    The result is that of `tag_greedily`. A round scores all tokens of all docs, so that all shapes are known in advance
    and the host does not wait for the device, except to see, after every `LANER_ROUNDS_A_CHECK` rounds, if the last
    round has changed a tag.
    """
    mask, prefixes = output.mask, head.prefixes
    n_docs, n_tokens = mask.shape
    scorer = PrefixScorer(head, output, LabelReader(prefixes))
    docs = torch.arange(n_docs, device=mask.device)
    position = torch.arange(n_tokens, device=mask.device).expand(mask.shape)
    tags = guess(head.crf, scorer, mask, decoding)
    # After as many rounds as tokens all tags are final.
    for n_rounds in range(1, n_tokens + 1):
        labels = prefixes.labels(tags)
        scores = scorer.scores(docs, position, None, labels, scorer.forward_states(labels))
        before, tags = tags, pick_tags(head.crf, scores, labels, decoding)
        if n_rounds % LANER_ROUNDS_A_CHECK == 0 and not ((tags != before) & mask).any():
            break
    return Tagging(tags, prefixes.labels(tags), scores, torch.full_like(docs, n_rounds))


def guess(crf: BioCRF, scorer: PrefixScorer, mask: Tensor, decoding: Decoding) -> Tensor:
    """Return a cheap initial guess of the tags, shape (n_docs, n_tokens)."""
    tags: Tensor = crf.best_paths(scorer.token_scores, mask, decoding.constrained, decoding.allowed)
    for _ in range(LANER_GUESS_ROUNDS):
        labels = scorer.prefixes.labels(tags)
        tags = pick_tags(crf, scorer.rough_scores(labels), labels, decoding)
    return tags


def tag_in_groups(head: LabelAwareHead, output: HeadOutput, decoding: Decoding, block: int) -> Tagging:
    """Call `tag_greedily` on groups of docs of similar lengths, which have little padding."""
    lengths = output.mask.sum(dim=1)
    if len(lengths) <= LANER_GROUP_DOCS:
        return tag_greedily(head, output, decoding, block)
    labels = torch.zeros_like(output.mask, dtype=torch.long)
    whole = Tagging(labels.clone(), labels, torch.zeros_like(output.emissions), torch.zeros_like(lengths))
    reader = LabelReader(head.prefixes)
    for rows in lengths.argsort().split(LANER_GROUP_DOCS):
        longest = int(lengths[rows[-1]])
        emissions, mask, tokens = (values[rows, :longest] for values in (output.emissions, output.mask, output.tokens))
        allowed = None if decoding.allowed is None else decoding.allowed[rows, :longest]
        rules = Decoding(decoding.constrained, allowed)
        group = tag_greedily(head, HeadOutput(emissions, mask, tokens), rules, block, reader)
        whole.tags[rows, :longest], whole.labels[rows, :longest] = group.tags, group.labels
        whole.scores[rows, :longest], whole.rounds[rows] = group.scores, group.rounds
    return whole
