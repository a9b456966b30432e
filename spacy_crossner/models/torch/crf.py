"""Conditional random field with batched decoding under hard BIO constraints."""

import torch
import torchcrf
from torch import Tensor

# Stands for minus infinity where a path is forbidden: large beside any score, small enough to add up in float32.
FORBIDDEN = -1e6


def viterbi(emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
    """Find the best path of every row, all rows at once.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, which come before the padding; every row has one. Shape (n_docs, n_tokens).
    start (Tensor): score of a first tag, shape (n_tags,).
    transitions (Tensor): score of a tag after a tag, row = from, column = to, shape (n_tags, n_tags).
    end (Tensor): score of a last tag, shape (n_tags,).
    RETURNS (Tensor): tag indices, shape (n_docs, n_tokens); at padding the last tag is repeated.
    """
    n_docs, n_tokens, n_tags = emissions.shape
    stay = torch.arange(n_tags, device=emissions.device).expand(n_docs, n_tags)
    # Row = to, so that the maximum runs along the contiguous last dimension.
    into = transitions.T.contiguous()
    score = start + emissions[:, 0]
    pointers = []
    for i in range(1, n_tokens):
        # shape: (n_docs, n_tags)
        best, pointer = (score.unsqueeze(1) + into).max(dim=2)
        inside = mask[:, i].unsqueeze(1)
        score = torch.where(inside, best + emissions[:, i], score)
        pointers.append(torch.where(inside, pointer, stay))
    # shape: (n_docs, 1)
    tag = (score + end).argmax(dim=1, keepdim=True)
    path = [tag]
    for pointer in reversed(pointers):
        tag = pointer.gather(1, tag)
        path.append(tag)
    return torch.cat(path[::-1], dim=1)


class BioCRF(torchcrf.CRF):
    """Linear-chain CRF with the parameters and the likelihood of pytorch-crf, batch first, that decodes legal BIO only.

    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    """

    forbidden_starts: Tensor
    forbidden_transitions: Tensor

    def __init__(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        super().__init__(len(allowed_starts), batch_first=True)
        # Not in the state: they follow from the labels.
        self.register_buffer("forbidden_starts", torch.where(allowed_starts, 0.0, FORBIDDEN), persistent=False)
        self.register_buffer(
            "forbidden_transitions", torch.where(allowed_transitions, 0.0, FORBIDDEN), persistent=False
        )

    def best_paths(self, emissions: Tensor, mask: Tensor, constrained: bool = True) -> Tensor:
        """Return the tag indices of the best path of every row, shape (n_docs, n_tokens).

        constrained (bool): look at legal BIO paths only. The likelihood is always that of all paths.
        """
        start, transitions = self.start_transitions, self.transitions
        if constrained:
            start, transitions = start + self.forbidden_starts, transitions + self.forbidden_transitions
        return viterbi(emissions, mask, start, transitions, self.end_transitions)

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return the log-likelihood of what is annotated, for each row.

        Where all tags are known this is pytorch-crf's likelihood. Unknown tags are summed over, and their emissions
        are held constant, so that a token without annotation gets no gradient.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        tags (Tensor): tag indices, -1 where unknown, shape (n_docs, n_tokens).
        mask (Tensor): True at tokens, shape (n_docs, n_tokens).
        RETURNS (Tensor): shape (n_docs,).
        """
        unknown = (tags < 0) & mask
        if not unknown.any():
            return self(emissions, tags.clamp(min=0), mask=mask, reduction="none")
        emissions = torch.where(unknown.unsqueeze(2), emissions.detach(), emissions)
        wrong = torch.ones_like(emissions, dtype=torch.bool).scatter_(2, tags.clamp(min=0).unsqueeze(2), False)
        wrong &= ~unknown.unsqueeze(2)
        observed = emissions.masked_fill(wrong, FORBIDDEN)
        rows = mask.transpose(0, 1)
        return self._compute_normalizer(observed.transpose(0, 1), rows) - self._compute_normalizer(
            emissions.transpose(0, 1), rows
        )

    def grown(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> "BioCRF":
        """Return a CRF over more tags; the scores between the tags there are stay."""
        crf = BioCRF(allowed_starts, allowed_transitions).to(self.transitions)
        n = self.num_tags
        with torch.no_grad():
            crf.start_transitions[:n] = self.start_transitions
            crf.end_transitions[:n] = self.end_transitions
            crf.transitions[:n, :n] = self.transitions
        return crf
