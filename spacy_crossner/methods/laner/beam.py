"""Beam search with an autoregressive head."""

import torch
from torch import Tensor

from ...core.head import Decoding, HeadOutput
from .scorer import LabelAwareHead, LabelReader, PrefixScorer
from .tagging import Tagging, rule_scores


@torch.no_grad()
def search_beam(head: LabelAwareHead, output: HeadOutput, decoding: Decoding, beam: int) -> Tagging:
    """Find the most probable tags by beam search, from left to right.

    head (LabelAwareHead): the head.
    output (HeadOutput): the output of the head; only token vectors and mask are used.
    decoding (Decoding): the rules. A tag that breaks more rules than another tag has probability 0.
    beam (int): width of the beam: number of prefixes kept for each doc.
    """
    tokens, mask = output.tokens, output.mask
    n_docs, n_tokens = mask.shape
    lengths = mask.sum(dim=1)
    prefixes, n_tags = head.prefixes, output.emissions.shape[2]
    scorer = PrefixScorer(head, output, LabelReader(prefixes))
    cell = scorer.reader.forward_cell
    # One row for each prefix of each doc. At first only one prefix of a doc is alive.
    doc_of_row = torch.arange(n_docs, device=mask.device).repeat_interleave(beam)
    log_probabilities = tokens.new_full((n_docs, beam), -torch.inf, dtype=torch.float64)
    log_probabilities[:, 0] = 0.0
    tags = torch.zeros(len(doc_of_row), n_tokens, dtype=torch.long, device=mask.device)
    labels = prefixes.labels(tags)
    forward = tokens.new_zeros(*labels.shape, prefixes.width)
    hidden, memory = cell.step(labels[:, 0], cell.start(len(labels)))
    for i in range(n_tokens):
        forward[:, i] = hidden
        rows = (i < lengths[doc_of_row]).nonzero().squeeze(1)
        docs = doc_of_row[rows]
        position = torch.full((len(rows), 1), i, device=mask.device)
        is_token = torch.ones_like(position, dtype=torch.bool)
        scores = scorer.scores(docs, position, is_token, labels[rows], forward[rows]).squeeze(1)
        allowed = None if decoding.allowed is None else decoding.allowed[docs, i]
        scores = rule_scores(head.crf, scores, labels[rows, i], Decoding(decoding.constrained, allowed))
        steps = scores.double().log_softmax(dim=-1)
        active = i < lengths
        # shape: (n_active_docs, beam * n_tags)
        extended = (log_probabilities[active].unsqueeze(2) + steps.view(-1, beam, n_tags)).flatten(1)
        log_probabilities[active], best = extended.topk(beam, dim=1)
        parents = torch.arange(len(doc_of_row), device=mask.device)
        parents[rows] = (best // n_tags + docs.view(-1, beam)[:, :1] * beam).flatten()
        tags, labels, forward = tags[parents], labels[parents], forward[parents]
        hidden, memory = hidden[parents], memory[parents]
        tags[rows, i] = (best % n_tags).flatten()
        if i + 1 < n_tokens:
            labels[:, i + 1] = tags[:, i]
            hidden, memory = cell.step(labels[:, i + 1], (hidden, memory))
    best_tags: Tensor = tags.view(n_docs, beam, n_tokens)[:, 0]
    labels = prefixes.labels(best_tags)
    docs = torch.arange(n_docs, device=mask.device)
    position = torch.arange(n_tokens, device=mask.device).expand(mask.shape)
    scores = scorer.scores(docs, position, mask, labels, scorer.forward_states(labels))
    return Tagging(best_tags, labels, scores, lengths)
