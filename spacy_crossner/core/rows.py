"""Rows of a batch, packed for loops over the token positions on a CPU."""

from typing import List, NamedTuple, Sequence

import torch
from torch import Tensor


class Rows(NamedTuple):
    """Rows sorted by length, the longest first, whose tokens are packed by position, without padding.

    The first tokens of all rows come first, then the second tokens, and so on. So the tokens at one position are
    neighbours, and those of the rows that go on are the first of them.

    tokens (Tensor): emissions, shape (n_tags, n_tokens_in_all).
    row (Tensor): the row of each token, shape (n_tokens_in_all,).
    position (Tensor): the position of each token in its row, shape (n_tokens_in_all,).
    active (List[int]): number of rows with a token at each position.
    lengths (Tensor): number of tokens of each row, at least 1, shape (n_docs,).
    order (Tensor): index in the batch of each row, shape (n_docs,).
    """

    tokens: Tensor
    row: Tensor
    position: Tensor
    active: List[int]
    lengths: Tensor
    order: Tensor

    @property
    def starts(self) -> Tensor:
        """The index of the first token at each position, shape (n_positions,)."""
        active = torch.tensor(self.active, device=self.lengths.device)
        return active.cumsum(0) - active

    @property
    def last(self) -> Tensor:
        """The index of the last token of each row, shape (n_docs,)."""
        return self.starts[self.lengths - 1] + torch.arange(len(self.lengths), device=self.lengths.device)

    @property
    def previous(self) -> Tensor:
        """The index of the token before each token that is not the first of its row.

        These are the tokens from index `active[0]` on.
        """
        first = self.active[0]
        return self.starts[self.position[first:] - 1] + self.row[first:]

    def by_position(self, values: Tensor) -> Sequence[Tensor]:
        """Return the values of the tokens at each position, as views. values (Tensor): shape (..., n_tokens_in_all)."""
        return values.split(self.active, dim=-1)

    def of_rows(self, which: Tensor) -> Tensor:
        """Return whether each token is in one of some rows. which (Tensor): bool, shape (n_docs,)."""
        return which.index_select(0, self.row)

    def has(self, which: Tensor) -> Tensor:
        """Return which rows have one of some tokens. which (Tensor): bool, shape (n_tokens_in_all,)."""
        return torch.zeros_like(self.lengths, dtype=torch.bool).index_fill_(0, self.row[which], True)

    def select(self, which: Tensor) -> "Rows":
        """Return some of the rows as a batch of their own, in this order. which (Tensor): bool, shape (n_docs,)."""
        kept = self.of_rows(which)
        position, lengths = self.position[kept], self.lengths[which]
        row = (which.cumsum(0) - 1)[self.row[kept]]
        order = torch.arange(len(lengths), device=lengths.device)
        return Rows(self.tokens[:, kept], row, position, position.bincount().tolist(), lengths, order)

    def gather(self, values: Tensor) -> Tensor:
        """Return values of the batch in the order of the tokens.

        values (Tensor): shape (n_docs, n_tokens, width).
        RETURNS (Tensor): contiguous, shape (width, n_tokens_in_all).
        """
        return values.flatten(0, 1).index_select(0, self._places(values.shape[1])).T.contiguous()

    def restore(self, values: Tensor, n_tokens: int) -> Tensor:
        """Return values in the order of the batch.

        values (Tensor): shape (..., n_tokens_in_all).
        n_tokens (int): tokens of a row of the batch, padding included.
        RETURNS (Tensor): shape (n_docs, n_tokens, ...), 0 at padding.
        """
        by_token = values.movedim(-1, 0)
        restored = values.new_zeros((len(self.lengths) * n_tokens, *by_token.shape[1:]))
        restored[self._places(n_tokens)] = by_token
        return restored.unflatten(0, (len(self.lengths), n_tokens))

    def _places(self, n_tokens: int) -> Tensor:
        return self.order[self.row] * n_tokens + self.position


def pack_rows(emissions: Tensor, mask: Tensor) -> Rows:
    """Pack the rows of a batch.

    emissions (Tensor): shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
    """
    lengths, order = mask.sum(dim=1).sort(descending=True, stable=True)
    positions = torch.arange(int(lengths[0]), device=lengths.device).unsqueeze(1)
    position, row = (positions < lengths).nonzero(as_tuple=True)
    rows = Rows(emissions, row, position, position.bincount().tolist(), lengths, order)
    return rows._replace(tokens=rows.gather(emissions))
