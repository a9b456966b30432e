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
    """

    def __init__(self, cell: LabelCell) -> None:
        self.cell = cell
        self.n_labels, self.n_nodes = len(cell.inputs), 1
        # Hidden and cell state of each node.
        self.hidden, self.memory = cell.start(1)
        # The child of each node by each label; -1 where it is not known.
        self.children = np.full(self.n_labels, -1, dtype=np.int32)

    def forget(self) -> None:
        """Remove all sequences except the empty one. The memory is used again."""
        self.n_nodes = 1
        self.children.fill(-1)

    def read(self, labels: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the node after each label of some sequences, 0 after the end of a sequence, of the shape of `labels`.

        labels (NDArray): the labels of each sequence, shape (n_sequences, longest).
        lengths (NDArray): the number of labels of each sequence, the longest first, shape (n_sequences,).
        """
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
        if end > len(self.hidden):
            more = max(end, 2 * len(self.hidden)) - start
            self.hidden, self.memory = (
                torch.cat([states[:start], states.new_empty(more, states.shape[1])])
                for states in (self.hidden, self.memory)
            )
            unknown = np.full(len(self.hidden) * self.n_labels - len(self.children), -1, dtype=np.int32)
            self.children = np.concatenate([self.children, unknown])
        self.children[edges] = np.arange(start, end, dtype=np.int32)
        before, labels = (torch.from_numpy(part) for part in np.divmod(edges, self.n_labels))
        state = self.hidden.index_select(0, before), self.memory.index_select(0, before)
        self.hidden[start:end], self.memory[start:end] = self.cell.step(labels, state)
        self.n_nodes = end


def _rows_of_steps(lengths: NDArray[np.int64]) -> List[int]:
    """Return how many sequences have a label at each step; the longest sequence comes first."""
    rows: List[int] = np.searchsorted(-lengths, -np.arange(lengths[0])).tolist()
    return rows
