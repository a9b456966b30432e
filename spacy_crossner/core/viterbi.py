"""The best path of a linear-chain CRF by a loop over the token positions, all rows at once (Viterbi 1967).

The loop is for a CPU. A step is a few operations on the tags and docs of a position. For a device that waits for each
launch, see `scan`.
"""

import torch
from torch import Tensor

from ..tuning import CRF_THREADED_ELEMENTS


def docs_last(emissions: Tensor) -> Tensor:
    """Return scores with the docs as the last dimension, so that the operations of a step read contiguous memory.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    RETURNS (Tensor): a copy, contiguous, shape (n_tokens, n_tags, n_docs).
    """
    return emissions.permute(1, 2, 0).contiguous()


@torch.no_grad()
def viterbi(
    by_token: Tensor, mask: Tensor, start: Tensor, transitions: Tensor, end: Tensor, *, bio: bool = False
) -> Tensor:
    """Find the best path of every row, all rows at once.

    The forward pass stores scores and no back-pointers, because a maximum without its index is many times faster. The
    backward pass computes one back-pointer for each token, for the tag on the path. Of several last tags or previous
    tags with the same score, the first is taken.

    by_token (Tensor): emissions, shape (n_tokens, n_tags, n_docs); see `docs_last`.
    mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
    start (Tensor): score of each tag as the first, shape (n_tags,).
    transitions (Tensor): score of each transition, row = from, column = to, shape (n_tags, n_tags).
    end (Tensor): score of each tag as the last, shape (n_tags,).
    bio (bool): take a path to I-X from B-X and I-X only, whatever the other scores. This halves the work.
    RETURNS (Tensor): tag indices, shape (n_docs, n_tokens); at padding the last tag is repeated.
    """
    n_tokens, n_tags, n_docs = by_token.shape
    dtype = torch.promote_types(by_token.dtype, transitions.dtype)
    tags = torch.arange(n_tags, device=by_token.device)
    # The tags that every tag may precede come first: O and all B-X, then all I-X.
    order = torch.cat([tags[:1], tags[1::2], tags[2::2]]) if bio else tags
    scores = by_token.index_select(1, order).to(dtype)
    start, end, transitions = (values.to(dtype)[order] for values in (start, end, transitions))
    rows = scores.unbind()
    rows[0].add_(start.unsqueeze(1))
    ordered = transitions[:, order]
    best = torch.empty_like(rows[0])
    # The next tags are split into blocks, small enough that PyTorch does not wake its threads at each token.
    threaded = scores.device.type == "cpu" and torch.get_num_threads() > 1
    width = max(1, (CRF_THREADED_ELEMENTS - 1) // (n_tags * n_docs)) if threaded else n_tags
    n_labels = n_tags // 2
    n_open = n_labels + 1 if bio else n_tags
    blocks = [
        (into.contiguous(), scores.new_empty(n_tags, len(block_best), n_docs), block_best)
        for into, block_best in zip(
            ordered[:, :n_open].unsqueeze(2).split(width, dim=1), best[:n_open].split(width), strict=True
        )
    ]
    # From B-X and from I-X to I-X.
    inward = torch.stack([ordered.diagonal(n_labels)[1:], ordered.diagonal()[n_labels + 1 :]]).unsqueeze(2)
    inside_steps, inside_best = scores.new_empty(2, n_labels, n_docs), best[n_open:]
    # Scores at padding are computed, too, but the backward pass never reads them.
    for before, row in zip(rows[:-1], rows[1:], strict=True):
        from_all = before.unsqueeze(1)
        for into, steps, block_best in blocks:
            torch.amax(torch.add(from_all, into, out=steps), dim=0, out=block_best)
        if bio:
            torch.add(before[1:].view(2, n_labels, n_docs), inward, out=inside_steps)
            torch.amax(inside_steps, dim=0, out=inside_best)
        row.add_(best)
    # The path is computed as ranks: the tag of rank r is n_tags - r, and the first tag has the highest rank. Rank 0
    # belongs to scores that are not a number; it stands for the last tag, too.
    ranks = (n_tags - order).to(dtype).unsqueeze(1)
    columns = transitions[:, (n_tags - torch.arange(n_tags + 1, device=order.device)).clamp(max=n_tags - 1)]
    last_scores = scores[mask.sum(dim=1) - 1, :, torch.arange(n_docs, device=order.device)].T + end.unsqueeze(1)
    rank = _first_of_best(last_scores, ranks)
    path = rank.repeat(n_tokens, 1)
    into_rank = torch.empty_like(rows[0])
    for row, inside, here in zip(
        reversed(rows[:-1]), reversed(mask.T[1:].unbind()), reversed(path[:-1].unbind()), strict=True
    ):
        torch.index_select(columns, 1, rank, out=into_rank)
        rank = torch.where(inside, _first_of_best(into_rank.add_(row), ranks), rank, out=here)
    return path.neg_().add_(n_tags).clamp_(max=n_tags - 1).T


def _first_of_best(scores: Tensor, ranks: Tensor) -> Tensor:
    # The highest rank among the best scores, int64, shape (n_docs,). `scores`, shape (n_tags, n_docs), is overwritten.
    # A maximum with its index is not vectorized on a CPU, and it wakes PyTorch's threads.
    return scores.eq_(scores.amax(dim=0)).mul_(ranks).amax(dim=0).long()
