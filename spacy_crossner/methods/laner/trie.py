"""Backward states of prefixes, computed once for equal sequences of labels: prediction on a CPU."""

from typing import List

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .cell import LabelCell


class PrefixTrie:
    """The states of a backward LSTM after all sequences of labels that were read so far.

    Node 0 is the empty sequence, with the state 0. The child of a node by a label is its sequence and the label.

    cell (LabelCell): the step of the LSTM.
    capacity (int): maximum number of nodes.
    """

    def __init__(self, cell: LabelCell, capacity: int) -> None:
        self.cell, self.n_labels = cell, len(cell.inputs)
        self._allocate(capacity)

    def _allocate(self, capacity: int) -> None:
        self.capacity, width = capacity, len(self.cell.recurrent)
        # Hidden and cell state of each node. The operating system gives memory only for the part that is written.
        self.hidden, self.memory = (self.cell.inputs.new_empty(capacity, width) for _ in range(2))
        # The child of each node by each label; -1 where it is not known.
        self.children = np.empty(capacity * self.n_labels, dtype=np.int32)
        self.hidden[0], self.memory[0] = 0.0, 0.0
        self._forget()

    def _forget(self) -> None:
        self.n_nodes = 1
        self.children[: self.n_labels] = -1

    def _reserve(self, n_nodes: int) -> None:
        """Make room for more nodes. If there is none, forget all sequences."""
        if 1 + n_nodes > self.capacity:
            self._allocate(1 + n_nodes)
        elif self.n_nodes + n_nodes > self.capacity:
            self._forget()

    def read(self, labels: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the node after each label of some sequences, 0 after the end of a sequence, of the shape of `labels`.

        labels (NDArray): the labels of each sequence, shape (n_sequences, longest).
        lengths (NDArray): the number of labels of each sequence, the longest first, shape (n_sequences,).
        """
        self._reserve(int(lengths.sum()))
        nodes = np.zeros(labels.shape, dtype=np.int64)
        at = nodes[:, 0]
        for step, n_rows in enumerate(_rows_of_steps(lengths)):
            at = self._follow(at[:n_rows] * self.n_labels + labels[:n_rows, step])
            nodes[:n_rows, step] = at
        return nodes

    def multiply(self, nodes: NDArray[np.int64], lengths: NDArray[np.int64], queries: Tensor) -> Tensor:
        """Multiply the hidden state of each node with the query of its sequence.

        nodes, lengths (NDArray): see `read`.
        queries (Tensor): shape (n_sequences, width).
        RETURNS (Tensor): -inf after the end of a sequence, shape (n_sequences, longest).
        """
        products = queries.new_full(nodes.shape[::-1], -torch.inf)
        columns = torch.from_numpy(np.ascontiguousarray(nodes.T))
        for step, n_rows in enumerate(_rows_of_steps(lengths)):
            states = self.hidden.index_select(0, columns[step, :n_rows])
            torch.sum(states.mul_(queries[:n_rows]), dim=1, out=products[step, :n_rows])
        return products.T

    def _follow(self, edges: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the nodes to which edges lead; an edge is `node * n_labels + label`."""
        nodes = self.children[edges]
        missing = edges[nodes < 0]
        if len(missing):
            # Each edge once: of equal edges, the one that was written last.
            order = np.arange(len(missing), dtype=np.int32)
            self.children[missing] = order
            missing = missing[self.children[missing] == order]
            self._add(missing)
            nodes = self.children[edges]
        return nodes.astype(np.int64)

    def _add(self, edges: NDArray[np.int64]) -> None:
        start, end = self.n_nodes, self.n_nodes + len(edges)
        self.children[edges] = np.arange(start, end, dtype=np.int32)
        self.children[start * self.n_labels : end * self.n_labels] = -1
        before, labels = (torch.from_numpy(part) for part in np.divmod(edges, self.n_labels))
        state = self.hidden.index_select(0, before), self.memory.index_select(0, before)
        self.hidden[start:end], self.memory[start:end] = self.cell.step(labels, state)
        self.n_nodes = end


def _rows_of_steps(lengths: NDArray[np.int64]) -> List[int]:
    """Return how many sequences have a label at each step; the longest sequence comes first."""
    rows: List[int] = np.searchsorted(-lengths, -np.arange(lengths[0])).tolist()
    return rows
