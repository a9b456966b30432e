"""Conditional random field with batched decoding under hard BIO constraints."""

from typing import Optional

import torch
import torchcrf
from torch import Tensor

from ..tuning import CRF_THREADED_ELEMENTS
from .lattice import Lattice, build_lattice

# Score of a forbidden transition, instead of minus infinity: far below any real score, and small enough to keep sums in
# float32 precise.
FORBIDDEN = -1e6


def first_of_best(scores: Tensor, threaded: bool) -> Tensor:
    """Return the tag with the highest score; of several equal scores, the first tag. `scores` is overwritten.

    scores (Tensor): shape (n_tags, n_docs).
    threaded (bool): compute the maximum without its index. On a CPU, the maximum with its index wakes PyTorch's threads
        and waits for them, even for a small tensor.
    RETURNS (Tensor): shape (n_docs,).
    """
    if not threaded:
        return scores.max(dim=0).indices
    n_tags = len(scores)
    ranks = torch.arange(n_tags, 0, -1, dtype=scores.dtype).unsqueeze(1)
    tags = n_tags - scores.eq_(scores.amax(dim=0)).mul_(ranks).amax(dim=0).long()
    # NaN is not equal to itself: a column with NaN would give n_tags, which is no tag.
    return tags.clamp_(max=n_tags - 1)


@torch.no_grad()
def viterbi(emissions: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor) -> Tensor:
    """Find the best path of every row, all rows at once.

    The forward pass stores scores and no back-pointers, because a maximum without its index is many times faster. The
    backward pass computes one back-pointer for each token, for the tag on the path. Of several last tags or previous
    tags with the same score, the first is taken.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
    start (Tensor): score of each tag as the first, shape (n_tags,).
    transitions (Tensor): score of each transition, row = from, column = to, shape (n_tags, n_tags).
    end (Tensor): score of each tag as the last, shape (n_tags,).
    RETURNS (Tensor): tag indices, shape (n_docs, n_tokens); at padding the last tag is repeated.
    """
    n_docs, n_tokens, n_tags = emissions.shape
    # Docs are the last dimension, so that every operation reads contiguous memory.
    # shape: (n_tokens, n_tags, n_docs)
    by_token = emissions.permute(1, 2, 0)
    scores = start.new_empty(by_token.shape, dtype=torch.promote_types(emissions.dtype, transitions.dtype))
    torch.add(by_token[0], start.unsqueeze(1), out=scores[0])
    best = torch.empty_like(scores[0])
    # The next tags are split into blocks, small enough that PyTorch does not wake its threads at each token.
    threaded = scores.device.type == "cpu" and torch.get_num_threads() > 1
    width = max(1, (CRF_THREADED_ELEMENTS - 1) // (n_tags * n_docs)) if threaded else n_tags
    blocks = [
        (into.contiguous(), scores.new_empty(n_tags, len(block_best), n_docs), block_best)
        for into, block_best in zip(transitions.unsqueeze(2).split(width, dim=1), best.split(width), strict=True)
    ]
    rows = scores.unbind()
    # Scores at padding are computed, too, but the backward pass never reads them.
    for before, emission, row in zip(scores[:-1].unsqueeze(2).unbind(), by_token[1:].unbind(), rows[1:], strict=True):
        for into, steps, block_best in blocks:
            torch.amax(torch.add(before, into, out=steps), dim=0, out=block_best)
        torch.add(emission, best, out=row)
    last = mask.sum(dim=1) - 1
    tag = first_of_best(scores[last, :, torch.arange(n_docs, device=last.device)].T + end.unsqueeze(1), threaded)
    path = tag.repeat(n_tokens, 1)
    for row, inside, here in reversed(list(zip(rows[:-1], mask.T[1:].unbind(), path[:-1].unbind(), strict=True))):
        pointer = first_of_best(transitions.index_select(1, tag).add_(row), threaded)
        tag = torch.where(inside, pointer, tag, out=here)
    return path.T


class BioCRF(torchcrf.CRF):
    """Linear-chain CRF with the parameters and the likelihood of pytorch-crf, and BIO-constrained decoding.

    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which transitions are allowed, row = from, column = to, shape (n_tags, n_tags).
    """

    forbidden_starts: Tensor
    forbidden_transitions: Tensor

    def __init__(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        super().__init__(len(allowed_starts), batch_first=True)
        # Whether the transitions are used. A frozen CRF uses transitions that are not trained.
        self.has_transitions = True
        # Not saved with the state, because they follow from the labels.
        self.register_buffer("forbidden_starts", torch.where(allowed_starts, 0.0, FORBIDDEN), persistent=False)
        self.register_buffer(
            "forbidden_transitions", torch.where(allowed_transitions, 0.0, FORBIDDEN), persistent=False
        )

    def best_paths(
        self, emissions: Tensor, mask: Tensor, constrained: bool = True, allowed: Optional[Tensor] = None
    ) -> Tensor:
        """Return the tag indices of the best path of every row, shape (n_docs, n_tokens); see `viterbi`.

        constrained (bool): legal BIO paths only. The likelihood always covers all paths.
        allowed (Optional[Tensor]): which tags each token may take, bool, shape (n_docs, n_tokens, n_tags). A row
            without an allowed path gets a path with as few violations as possible.
        """
        start, transitions = self.start_transitions, self.transitions
        if constrained:
            start, transitions = start + self.forbidden_starts, transitions + self.forbidden_transitions
        if allowed is not None:
            emissions = emissions + torch.where(allowed, 0.0, FORBIDDEN)
        return viterbi(emissions, mask, start, transitions, self.end_transitions)

    @torch.no_grad()
    def lattice(
        self,
        emissions: Tensor,
        mask: Tensor,
        *,
        constrained: bool = True,
        temperature: float = 1.0,
        allowed: Optional[Tensor] = None,
    ) -> Lattice:
        """Return the distribution over the paths of every row, without a gradient.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        mask (Tensor): True at tokens, which come before the padding, shape (n_docs, n_tokens).
        constrained (bool): legal BIO paths only; all other paths have probability 0.
        temperature (float): divisor of all scores, above 0. A temperature above 1 gives a flatter distribution.
        allowed (Optional[Tensor]): which tags each token may take, bool, shape (n_docs, n_tokens, n_tags). In a row
            without an allowed path, every probability is 0.
        """
        scores = (emissions, self.start_transitions, self.transitions, self.end_transitions)
        emissions, start, transitions, end = (score.double() / temperature for score in scores)
        if constrained:
            start = start.masked_fill(self.forbidden_starts < 0, -torch.inf)
            transitions = transitions.masked_fill(self.forbidden_transitions < 0, -torch.inf)
        if allowed is not None:
            emissions = emissions.masked_fill(~allowed, -torch.inf)
        return build_lattice(emissions, mask, start, transitions, end)

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return the log-likelihood of the known tags of each row.

        If all tags are known, this is the likelihood of pytorch-crf. Unknown tags are marginalized out. Their emissions
        are treated as constants, so that a token without annotation gets no gradient.

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

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the log-marginal of each tag at each token over all paths, with a gradient.

        The distribution is the one of `log_likelihood`. For legal paths only, without a gradient, see `lattice`.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
        RETURNS (Tensor): shape of `emissions`; values at padding have no meaning.
        """
        scores, inside = emissions.transpose(0, 1).unbind(), mask.T.unsqueeze(2).unbind()
        forward = [self.start_transitions + scores[0]]
        for score in scores[1:]:
            forward.append((forward[-1].unsqueeze(2) + self.transitions).logsumexp(dim=1) + score)
        backward = [self.end_transitions.expand_as(scores[0])]
        for score, is_token in zip(reversed(scores[1:]), reversed(inside[1:]), strict=True):
            onward = (self.transitions + (score + backward[-1]).unsqueeze(1)).logsumexp(dim=2)
            # A row ends where the next token is padding.
            backward.append(torch.where(is_token, onward, self.end_transitions))
        return (torch.stack(forward, dim=1) + torch.stack(backward[::-1], dim=1)).log_softmax(dim=2)

    def grown(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> "BioCRF":
        """Return a CRF with more tags, which keeps all scores of the old tags."""
        crf = BioCRF(allowed_starts, allowed_transitions).to(self.transitions)
        n = self.num_tags
        with torch.no_grad():
            crf.start_transitions[:n] = self.start_transitions
            crf.end_transitions[:n] = self.end_transitions
            crf.transitions[:n, :n] = self.transitions
        return crf
