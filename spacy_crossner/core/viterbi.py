"""The best path of a linear-chain CRF by a loop over the token positions, all rows at once (Viterbi 1967)."""

import torch
from torch import Tensor

from ..tuning import CRF_THREADED_ELEMENTS
from .rows import Rows


@torch.no_grad()
def viterbi(rows: Rows, start: Tensor, transitions: Tensor, end: Tensor, *, bio: bool = False) -> Tensor:
    """Find the best path of every row, all rows at once.

    The forward pass stores scores and no back-pointers, because a maximum without its index is many times faster. The
    backward pass computes one back-pointer for each token, for the tag on the path. Of several last tags or previous
    tags with the same score, the first is taken.

    rows (Rows): the rows with their emissions.
    start (Tensor): score of each tag as the first, shape (n_tags,).
    transitions (Tensor): score of each transition, row = from, column = to, shape (n_tags, n_tags).
    end (Tensor): score of each tag as the last, shape (n_tags,).
    bio (bool): take a path to I-X from B-X and I-X only, whatever the other scores. This halves the work.
    RETURNS (Tensor): the tag index of each token, in the order of `rows`, shape (n_tokens_in_all,).
    """
    n_tags = len(rows.tokens)
    dtype = torch.promote_types(rows.tokens.dtype, transitions.dtype)
    tags = torch.arange(n_tags)
    n_labels = n_tags // 2
    # The tags that every tag may precede come first: O and all B-X, then all I-X.
    order = torch.cat([tags[:1], tags[1::2], tags[2::2]]) if bio else tags
    n_open = n_labels + 1 if bio else n_tags
    scores = rows.tokens.index_select(0, order).to(dtype)
    start, end, transitions = (values.to(dtype)[order] for values in (start, end, transitions))
    scores[:, : rows.active[0]] += start.unsqueeze(1)
    # shape: (n_tags, n_open, 1)
    into = transitions[:, order[:n_open]].unsqueeze(2).contiguous()
    # From B-X and from I-X to I-X, shape: (2, n_labels, 1)
    inward = torch.stack([transitions[1 : n_labels + 1, 2::2].diagonal(), transitions[n_labels + 1 :, 2::2].diagonal()])
    inward = inward.unsqueeze(2)
    positions = rows.by_position(scores)
    threaded = torch.get_num_threads() > 1
    width = 0
    for before, here, n in zip(positions, positions[1:], rows.active[1:], strict=False):
        if n != width:
            width, best = n, scores.new_empty(n_tags, n)
            # The next tags are split into blocks, small enough that PyTorch does not wake its threads at each token.
            size = max(1, (CRF_THREADED_ELEMENTS - 1) // (n_tags * n)) if threaded else n_open
            blocks = [
                (of_block, scores.new_empty(n_tags, len(block_best), n), block_best)
                for of_block, block_best in zip(into.split(size, dim=1), best[:n_open].split(size), strict=True)
            ]
            inside_steps, inside_best = scores.new_empty(2, n_labels, n), best[n_open:]
        active = before[:, :n]
        from_all = active.unsqueeze(1)
        for of_block, steps, block_best in blocks:
            torch.amax(torch.add(from_all, of_block, out=steps), dim=0, out=block_best)
        if bio:
            from_label = active[1 : 2 * n_labels + 1].unflatten(0, (2, n_labels))
            torch.amax(torch.add(from_label, inward, out=inside_steps), dim=0, out=inside_best)
        here.add_(best)
    # The path is computed as ranks: the tag of rank r is n_tags - r, and the first tag has the highest rank. Rank 0
    # belongs to scores that are not a number; it stands for the last tag, too.
    ranks = (n_tags - order).to(dtype).unsqueeze(1)
    columns = transitions[:, (n_tags - torch.arange(n_tags + 1)).clamp(max=n_tags - 1)]
    last = rows.last
    path = torch.empty_like(rows.row)
    path[last] = _first_of_best(scores.index_select(1, last) + end.unsqueeze(1), ranks).long()
    places = rows.by_position(path)
    for row, here, after, n in reversed(list(zip(positions, places, places[1:], rows.active[1:], strict=False))):
        steps = columns.index_select(1, after)
        here[:n].copy_(_first_of_best(steps.add_(row[:, :n]), ranks))
    return path.neg_().add_(n_tags).clamp_(max=n_tags - 1)


def _first_of_best(scores: Tensor, ranks: Tensor) -> Tensor:
    # The highest rank among the best scores, shape (n_docs,). `scores`, shape (n_tags, n_docs), is overwritten.
    # A maximum with its index is not vectorized on a CPU, and it wakes PyTorch's threads.
    return scores.eq_(scores.amax(dim=0)).mul_(ranks).amax(dim=0)
