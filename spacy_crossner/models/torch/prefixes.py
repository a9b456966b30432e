"""A Bi-LSTM over the tags before each token, for all tokens at once: the label encoder of LANER."""

from typing import List, Tuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

State = Tuple[Tensor, Tensor]

# From so many stretches of tags on it pays to look which are the same.
SHARED_FROM = 48


class PrefixEncoder(nn.Module):
    """Label table and Bi-LSTM over prefixes (LANER, Eq. 3), and attention over what it reads there (Eq. 8).

    The prefix of token i is a learned begin label and the tags of the tokens before it: place k of it holds the begin
    label (k = 0) or the tag of token k - 1, and its last place is i. The Bi-LSTM reads it anew for each token. Its
    forward half is the same for all of them. Its backward half starts at place i with nothing, so what it makes of
    place k depends on the tags from k to i only: equal stretches of tags are computed once, whatever tokens and
    sentences they lead to.

    n_tags (int): number of tags; as a label this number stands for the begin label.
    width (int): width of the label table and of each half of the Bi-LSTM.
    max_cells (int): places of prefixes that are attended to at once. What is above that is done in parts, and in
        training computed again for the gradient, so that memory is bounded.
    """

    def __init__(self, n_tags: int, width: int, max_cells: int) -> None:
        super().__init__()
        self.width = width
        self.max_cells = max_cells
        self.table = nn.Embedding(n_tags, width)
        self.begin = nn.Parameter(torch.randn(width))
        self.forward_lstm = nn.LSTM(width, width, batch_first=True)
        self.backward_lstm = nn.LSTM(width, width, batch_first=True)

    def labels(self, tags: Tensor) -> Tensor:
        """Return the label at each place of the longest prefix: the begin label and all tags but the last.

        tags (Tensor): tag indices, of any value at padding, shape (n_docs, n_tokens).
        """
        shifted = tags.roll(1, dims=1).clamp(min=0)
        shifted[:, 0] = self.table.num_embeddings
        return shifted

    def inputs(self, lstm: nn.LSTM) -> Tensor:
        """Return what each label, the begin label last, adds to the gates of a half, shape (n_tags + 1, 4 * width)."""
        rows = torch.cat([self.table.weight, self.begin.unsqueeze(0)])
        entering, _, bias, other_bias = lstm.all_weights[0]
        return nn.functional.linear(rows, entering, bias + other_bias)

    def forward_states(self, labels: Tensor) -> Tensor:
        """Return what the forward half makes of each place, shape (n_docs, n_tokens, width)."""
        rows = torch.cat([self.table.weight, self.begin.unsqueeze(0)])
        states, _ = self.forward_lstm(nn.functional.embedding(labels, rows))
        return states

    def last_states(self, labels: Tensor, forward: Tensor) -> Tensor:
        """Return what the Bi-LSTM makes of the last place of prefixes, as the query of Eq. 4.

        labels (Tensor): the labels at these places, any shape.
        forward (Tensor): what the forward half makes of them, shape (*labels.shape, width).
        RETURNS (Tensor): shape (*labels.shape, 2 * width).
        """
        # The backward half has read one label: as many states as there are labels.
        start, _ = first_cell(self.inputs(self.backward_lstm))
        return torch.cat([forward, nn.functional.embedding(labels, start)], dim=-1)

    def attend(self, queries: Tensor, labels: Tensor, forward: Tensor, row: Tensor, last: Tensor) -> Tensor:
        """Attend from tokens to all places of their prefixes (Eq. 8).

        queries (Tensor): one a token, shape (n_queries, 2 * width).
        labels (Tensor): the label at each place, shape (n_docs, n_tokens).
        forward (Tensor): what the forward half makes of each place, shape (n_docs, n_tokens, width).
        row (Tensor): which row of `labels` each query reads, shape (n_queries,).
        last (Tensor): the last place of its prefix, shape (n_queries,).
        RETURNS (Tensor): shape (n_queries, 2 * width).
        """
        order = last.argsort(descending=True, stable=True)
        longest_first = last[order]
        parts: List[Tensor] = []
        sizes = part_sizes(longest_first.tolist(), self.max_cells)
        for part in order.split(sizes):
            arguments = (queries[part], labels, forward, row[part], last[part])
            if torch.is_grad_enabled() and len(sizes) > 1:
                parts.append(checkpoint(self._attend, *arguments, use_reentrant=False))
            else:
                parts.append(self._attend(*arguments))
        return torch.cat(parts)[order.argsort()]

    def _attend(self, queries: Tensor, labels: Tensor, forward: Tensor, row: Tensor, last: Tensor) -> Tensor:
        """Attend from tokens in the order of their last places, the longest prefix first."""
        # Backwards, as the backward half reads: column t is place last - t.
        # shape: (n_queries, longest)
        place = last.unsqueeze(1) - torch.arange(int(last[0]) + 1, device=last.device)
        outside = place < 0
        place = place.clamp(min=0)
        states, node = self._backward_states(labels[row.unsqueeze(1), place], (last + 1).tolist())
        flat = row.unsqueeze(1) * labels.shape[1] + place
        read = torch.cat(
            [nn.functional.embedding(flat, forward.flatten(0, 1)), nn.functional.embedding(node, states)], dim=2
        )
        weights = (read @ queries.unsqueeze(2)).squeeze(2).masked_fill(outside, -torch.inf).softmax(dim=1)
        return (weights.unsqueeze(1) @ read).squeeze(1)

    def _backward_states(self, labels: Tensor, lengths: List[int]) -> Tuple[Tensor, Tensor]:
        """Run the backward half over prefixes.

        labels (Tensor): the labels of each prefix, the last place first, shape (n_queries, longest).
        lengths (List[int]): places of each prefix, longest first.
        RETURNS (Tuple[Tensor, Tensor]): the states of all different stretches of labels, shape (n_states, width), and
            which of them each place has, shape of `labels`, 0 where there is no place.
        """
        inputs, recurrent = self.inputs(self.backward_lstm), self.backward_lstm.all_weights[0][1].T
        n_labels, n_rows = len(inputs), len(lengths)
        share = labels.device.type == "cpu"
        node = torch.zeros_like(labels)
        # Of each row, the state of its last step.
        at = torch.zeros_like(labels[:, 0])
        states: List[Tensor] = []
        n_states = 0
        for step, column in enumerate(labels.unbind(1)):
            while lengths[n_rows - 1] <= step:
                n_rows -= 1
            before, label = at[:n_rows], column[:n_rows]
            if share and n_rows >= SHARED_FROM:
                stretches, at = torch.unique(before * n_labels + label, return_inverse=True)
                before, label = stretches // n_labels, stretches % n_labels
            else:
                at = torch.arange(n_rows, device=labels.device)
            gates = inputs.index_select(0, label)
            if step == 0:
                hidden, cell = first_cell(gates)
            else:
                hidden, cell = next_cell(
                    torch.addmm(gates, hidden.index_select(0, before), recurrent), cell.index_select(0, before)
                )
            node[:n_rows, step] = at + n_states
            states.append(hidden)
            n_states += len(hidden)
        return torch.cat(states), node

    def read_on(self, labels: Tensor, inputs: Tensor, state: State) -> State:
        """Let the forward half read one more label of each row; `inputs` as `inputs(forward_lstm)` gives them."""
        hidden, cell = state
        return next_cell(torch.addmm(inputs[labels], hidden, self.forward_lstm.all_weights[0][1].T), cell)

    def grow(self, n_tags: int) -> None:
        """Take in new tags, appended to the ones there are, which keep their rows of the table."""
        old = self.table.weight
        self.table = nn.Embedding(n_tags, self.width, device=old.device, dtype=old.dtype)
        with torch.no_grad():
            self.table.weight[: len(old)] = old


def first_cell(gates: Tensor) -> State:
    """Return hidden and cell state of LSTM cells that start from nothing; `gates` in the order of `nn.LSTM`."""
    enter, _, content, leave = gates.chunk(4, dim=-1)
    cell = enter.sigmoid() * content.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def next_cell(gates: Tensor, cell: Tensor) -> State:
    """Return hidden and cell state after a step."""
    enter, keep, content, leave = gates.chunk(4, dim=-1)
    cell = torch.addcmul(keep.sigmoid() * cell, enter.sigmoid(), content.tanh())
    return leave.sigmoid() * cell.tanh(), cell


def part_sizes(last: List[int], max_cells: int) -> List[int]:
    """Cut rows, longest first, into parts of no more than `max_cells` places with their padding, or of one row."""
    sizes, i = [], 0
    while i < len(last):
        size = min(max(1, max_cells // (last[i] + 1)), len(last) - i)
        sizes.append(size)
        i += size
    return sizes
