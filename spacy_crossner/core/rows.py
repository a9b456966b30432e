"""Rows of a batch, arranged for loops over the token positions on a CPU."""

from typing import List, NamedTuple

import torch
from torch import Tensor


class Rows(NamedTuple):
    """Rows sorted by length, the longest first, with the docs as the last dimension.

    So the rows that have a token at a position are the first ones: a loop over the positions reads contiguous memory,
    and no padding.

    by_token (Tensor): emissions, shape (length of the longest row, n_tags, n_docs).
    lengths (Tensor): number of tokens of each row, at least 1, shape (n_docs,).
    active (List[int]): number of rows with a token at each position.
    order (Tensor): index in the batch of each row, shape (n_docs,).
    """

    by_token: Tensor
    lengths: Tensor
    active: List[int]
    order: Tensor

    @property
    def inside(self) -> Tensor:
        """Which positions are tokens, shape (n_tokens, n_docs)."""
        return torch.arange(len(self.active), device=self.lengths.device).unsqueeze(1) < self.lengths

    def select(self, which: Tensor) -> "Rows":
        """Return some of the rows as a batch of their own, in this order. which (Tensor): bool, shape (n_docs,)."""
        lengths = self.lengths[which]
        n_tokens = int(lengths[0])
        active = self.inside[:n_tokens, which].sum(dim=1).tolist()
        return Rows(
            self.by_token[:n_tokens, :, which], lengths, active, torch.arange(len(lengths), device=lengths.device)
        )

    def restore(self, values: Tensor, n_tokens: int) -> Tensor:
        """Return values in the order of the batch.

        values (Tensor): shape (length of the longest row, ..., n_docs).
        n_tokens (int): tokens of a row of the batch, padding included.
        RETURNS (Tensor): shape (n_docs, n_tokens, ...); after the longest row the last position is repeated.
        """
        restored = values.new_empty((values.shape[-1], n_tokens, *values.shape[1:-1]))
        by_doc = values.movedim(-1, 0)
        restored[self.order, : len(values)] = by_doc
        restored[self.order, len(values) :] = by_doc[:, -1:]
        return restored


def sort_rows(emissions: Tensor, mask: Tensor) -> Rows:
    """Sort the rows of a batch by length.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
    """
    lengths, order = mask.sum(dim=1).sort(descending=True, stable=True)
    n_tokens = int(lengths[0])
    active = mask[:, :n_tokens].sum(dim=0).tolist()
    by_token = emissions.index_select(0, order)[:, :n_tokens].permute(1, 2, 0).contiguous()
    return Rows(by_token, lengths, active, order)
