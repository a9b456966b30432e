"""Beam search with an autoregressive head."""

import torch
from torch import Tensor

from ...core.head import Decoding, HeadOutput
from .prefixes import first_cell
from .tagging import PrefixScorer, Tagging, rule_scores


@torch.no_grad()
def search_beam(head: PrefixScorer, output: HeadOutput, decoding: Decoding, beam: int) -> Tagging:
    """Find the most probable tags by beam search, from left to right.

    head (PrefixScorer): the head.
    output (HeadOutput): the output of the head; only token vectors and mask are used.
    decoding (Decoding): the rules. A tag that breaks more rules than another tag has probability 0.
    beam (int): width of the beam: number of prefixes kept for each doc.
    """
    tokens, mask = output.tokens, output.mask
    n_docs, n_tokens = mask.shape
    lengths = mask.sum(dim=1)
    prefixes, n_tags = head.prefixes, output.emissions.shape[2]
    token_scores = head.token_scores(tokens)
    inputs = prefixes.inputs(prefixes.forward_lstm)
    # One row for each prefix of each doc. At first only one prefix of a doc is alive.
    doc_of_row = torch.arange(n_docs, device=mask.device).repeat_interleave(beam)
    log_probabilities = tokens.new_full((n_docs, beam), -torch.inf, dtype=torch.float64)
    log_probabilities[:, 0] = 0.0
    tags = torch.zeros(len(doc_of_row), n_tokens, dtype=torch.long, device=mask.device)
    labels = prefixes.labels(tags)
    forward = tokens.new_zeros(*labels.shape, prefixes.width)
    hidden, cell = first_cell(inputs[labels[:, 0]])
    for i in range(n_tokens):
        forward[:, i] = hidden
        rows = (i < lengths[doc_of_row]).nonzero().squeeze(1)
        docs = doc_of_row[rows]
        position = torch.full((len(rows), 1), i, device=mask.device)
        features = head.features_at(
            tokens[docs], mask[docs], labels[rows], forward[rows], position, torch.ones_like(position, dtype=torch.bool)
        )
        scores = token_scores[docs, i] + head.feature_scores(features.squeeze(1))
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
        hidden, cell = hidden[parents], cell[parents]
        tags[rows, i] = (best % n_tags).flatten()
        if i + 1 < n_tokens:
            labels[:, i + 1] = tags[:, i]
            hidden, cell = prefixes.read_on(labels[:, i + 1], inputs, (hidden, cell))
    best_tags: Tensor = tags.view(n_docs, beam, n_tokens)[:, 0]
    labels = prefixes.labels(best_tags)
    return Tagging(best_tags, labels, head.scores_along(output, labels), lengths)
