"""A BiLSTM over the tags before each token, for all tokens at once: the label encoder of LANER."""

from typing import List, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...tuning import LANER_MIN_GROUP, LANER_SHARED_PREFIXES, LANER_SIMILAR_LENGTH

State = Tuple[Tensor, Tensor]


class PrefixEncoder(nn.Module):
    """Label table and BiLSTM over prefixes (LANER, Eq. 3), and attention over the states of the BiLSTM (Eq. 8).

    The prefix of token i is a learned begin label and the tags of the tokens before it: position k holds the begin
    label (k = 0) or the tag of token k - 1, and the last position is i. Each token has its own run of the BiLSTM. The
    forward states are the same for all tokens. The backward LSTM starts at position i with a zero state, and its state
    at position k depends only on the tags from k to i: equal sequences of tags are computed once, whatever their tokens
    and sentences.

    n_tags (int): number of tags; as a label, this number is the begin label.
    width (int): width of the label table and of each direction of the BiLSTM.
    max_cells (int): maximum number of prefix positions that are attended to at once, a bound for the memory. More
        positions are processed in parts, which are computed again for the gradient in training.
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
        """Return the label at each position of the longest prefix: the begin label, and all tags except the last.

        tags (Tensor): tag indices, with any values at padding, shape (n_docs, n_tokens).
        """
        shifted = tags.roll(1, dims=1).clamp(min=0)
        shifted[:, 0] = self.table.num_embeddings
        return shifted

    def rows(self) -> Tensor:
        """Return the vectors of all labels, the begin label last, shape (n_tags + 1, width)."""
        return torch.cat([self.table.weight, self.begin.unsqueeze(0)])

    def inputs(self, lstm: nn.LSTM) -> Tensor:
        """Return the part of the LSTM's gates that comes from each label, shape (n_tags + 1, 4 * width); see `rows`."""
        input_weights, _, bias, other_bias = lstm.all_weights[0]
        return nn.functional.linear(self.rows(), input_weights, bias + other_bias)

    def forward_states(self, labels: Tensor) -> Tensor:
        """Return the forward state of each position, shape (n_docs, n_tokens, width)."""
        states, _ = self.forward_lstm(nn.functional.embedding(labels, self.rows()))
        return states

    def last_states(self, labels: Tensor, forward: Tensor) -> Tensor:
        """Return the states of the BiLSTM at the last position of prefixes, for the query of Eq. 4.

        labels (Tensor): the labels at these positions, any shape.
        forward (Tensor): the forward states there, shape (*labels.shape, width).
        RETURNS (Tensor): shape (*labels.shape, 2 * width).
        """
        # At its first step, the backward LSTM has one state for each label.
        start, _ = first_cell(self.inputs(self.backward_lstm))
        return torch.cat([forward, nn.functional.embedding(labels, start)], dim=-1)

    def attend(
        self, queries: Tensor, labels: Tensor, forward: Tensor, last: Tensor, is_token: Optional[Tensor]
    ) -> Tensor:
        """Attend from tokens to all positions of their prefixes (Eq. 8).

        queries (Tensor): the queries of the selected tokens, shape (n_docs, n_selected, 2 * width).
        labels (Tensor): the label at each position, shape (n_docs, n_tokens).
        forward (Tensor): the forward state of each position, shape (n_docs, n_tokens, width).
        last (Tensor): the last position of the prefix of each selected token, shape (n_docs, n_selected).
        is_token (Optional[Tensor]): False where a selected token is padding, shape (n_docs, n_selected). None if all
            positions of the docs are selected, in order; then all shapes are known without a look at the device.
        RETURNS (Tensor): shape (n_docs, n_selected, 2 * width), 0 at padding.
        """
        query, back_query = queries.chunk(2, dim=2)
        n_positions = labels.shape[1]
        # The forward states are the same for all tokens of a doc: two matrix products.
        scores = (query @ forward.transpose(1, 2)).flatten(0, 1)
        row = torch.arange(len(labels), device=labels.device).unsqueeze(1).expand(last.shape)
        if is_token is None:
            chosen = torch.arange(last.numel(), device=last.device).view(last.shape).T.flip(0).flatten()
            lengths = [length for length in range(n_positions, 0, -1) for _ in range(len(labels))]
        else:
            chosen = is_token.flatten().nonzero().squeeze(1)
            chosen = chosen[last.flatten()[chosen].argsort(descending=True, stable=True)]
            lengths = (last.flatten()[chosen] + 1).tolist()
        sizes = part_sizes(lengths, self.max_cells)
        weights, attended = [], []
        for part in chosen.split(sizes):
            part_lengths, lengths = lengths[: len(part)], lengths[len(part) :]
            longest = part_lengths[0]
            # In the order of the backward LSTM: column t is position last - t.
            position = last.flatten()[part].unsqueeze(1) - torch.arange(longest, device=labels.device)
            read = labels[row.flatten()[part].unsqueeze(1), position.clamp(min=0)]
            arguments = (back_query.flatten(0, 1)[part], scores[part, :longest], read, position, part_lengths)
            if torch.is_grad_enabled() and len(sizes) > 1:
                part_weights, states = checkpoint(self._attend, *arguments, use_reentrant=False)
            else:
                part_weights, states = self._attend(*arguments)
            weights.append(nn.functional.pad(part_weights, (0, n_positions - longest)))
            attended.append(states)
        grid = torch.zeros_like(scores).index_copy(0, chosen, torch.cat(weights)).view(*last.shape, n_positions)
        states = scores.new_zeros(len(scores), self.width).index_copy(0, chosen, torch.cat(attended))
        return torch.cat([grid @ forward, states.view(*last.shape, self.width)], dim=2)

    def _attend(
        self, queries: Tensor, scores: Tensor, read: Tensor, position: Tensor, lengths: List[int]
    ) -> Tuple[Tensor, Tensor]:
        """Attend from tokens in the order of their prefixes, the longest first.

        queries (Tensor): the part of the queries for the backward states, shape (n_queries, width).
        scores (Tensor): the scores of the forward states, shape (n_queries, longest).
        read (Tensor): the labels in the order of the backward LSTM, the last position first, shape (n_queries,
            longest).
        position (Tensor): the position of each of these labels, below 0 outside the prefix, shape (n_queries, longest).
        lengths (List[int]): length of each prefix.
        RETURNS (Tuple[Tensor, Tensor]): the attention weights of all positions, shape (n_queries, longest), and the
            weighted sum of the backward states, shape (n_queries, width).
        """
        states, node = self._backward_states(read, lengths)
        # In the order of positions. States outside a prefix are arbitrary; their weight is 0.
        node = node.gather(1, position.clamp(min=0))
        outside = torch.arange(lengths[0], device=position.device) > position[:, :1]
        weights, sums = [], []
        start = 0
        # In groups of similar lengths, which have little padding.
        for size in group_sizes(lengths):
            rows, longest = slice(start, start + size), lengths[start]
            start += size
            # shape: (n_in_group, longest, width)
            back = nn.functional.embedding(node[rows, :longest], states)
            score = scores[rows, :longest] + (back @ queries[rows].unsqueeze(2)).squeeze(2)
            weight = score.masked_fill(outside[rows, :longest], -torch.inf).softmax(dim=1)
            sums.append((weight.unsqueeze(1) @ back).squeeze(1))
            weights.append(nn.functional.pad(weight, (0, lengths[0] - longest)))
        return torch.cat(weights), torch.cat(sums)

    def _backward_states(self, labels: Tensor, lengths: List[int]) -> Tuple[Tensor, Tensor]:
        """Run the backward LSTM over prefixes.

        labels (Tensor): the labels of each prefix, the last position first, shape (n_queries, longest).
        lengths (List[int]): length of each prefix, the longest first.
        RETURNS (Tuple[Tensor, Tensor]): the states of all different sequences of labels, shape (n_states, width), and
            the index of the state of each position, shape of `labels`, 0 outside a prefix.
        """
        if labels.device.type != "cpu" or len(lengths) < LANER_SHARED_PREFIXES:
            # A single call is faster here, although it computes equal sequences more than once.
            states, _ = self.backward_lstm(nn.functional.embedding(labels, self.rows()))
            return states.flatten(0, 1), torch.arange(labels.numel(), device=labels.device).view(labels.shape)
        inputs, recurrent = self.inputs(self.backward_lstm), self.backward_lstm.all_weights[0][1].T
        n_labels, n_rows = len(inputs), len(lengths)
        node = torch.zeros_like(labels)
        # The index of each row's state among the states of the last step.
        at = torch.zeros_like(labels[:, 0])
        states_of_steps: List[Tensor] = []
        n_states = 0
        for step, column in enumerate(labels.unbind(1)):
            while lengths[n_rows - 1] <= step:
                n_rows -= 1
            sequences, at = torch.unique(at[:n_rows] * n_labels + column[:n_rows], return_inverse=True)
            before = sequences // n_labels
            gates = inputs.index_select(0, sequences % n_labels)
            if step == 0:
                hidden, cell = first_cell(gates)
            else:
                gates = torch.addmm(gates, hidden.index_select(0, before), recurrent)
                hidden, cell = next_cell(gates, cell.index_select(0, before))
            node[:n_rows, step] = at + n_states
            states_of_steps.append(hidden)
            n_states += len(hidden)
        return torch.cat(states_of_steps), node

    def grow(self, n_tags: int) -> None:
        """Add new tags. They come after the old tags, which keep their rows of the table."""
        old = self.table.weight
        self.table = nn.Embedding(n_tags, self.width, device=old.device, dtype=old.dtype)
        with torch.no_grad():
            self.table.weight[: len(old)] = old


def first_cell(gates: Tensor) -> State:
    """Return hidden and cell state of an LSTM after its first step; `gates` in the order of `nn.LSTM`."""
    enter, _, content, leave = gates.chunk(4, dim=-1)
    cell = enter.sigmoid() * content.tanh()
    return leave.sigmoid() * cell.tanh(), cell


def next_cell(gates: Tensor, cell: Tensor) -> State:
    """Return hidden and cell state of an LSTM after a later step; see `first_cell`."""
    enter, keep, content, leave = gates.chunk(4, dim=-1)
    cell = torch.addcmul(keep.sigmoid() * cell, enter.sigmoid(), content.tanh())
    return leave.sigmoid() * cell.tanh(), cell


def part_sizes(lengths: List[int], max_cells: int) -> List[int]:
    """Cut rows, longest first, into parts of at most `max_cells` positions, padding included, or of one row."""
    sizes, i = [], 0
    while i < len(lengths):
        size = min(max(1, max_cells // lengths[i]), len(lengths) - i)
        sizes.append(size)
        i += size
    return sizes


def group_sizes(lengths: List[int]) -> List[int]:
    """Cut rows, longest first, into groups of similar lengths, of `LANER_MIN_GROUP` rows or more except the last."""
    sizes, i = [], 0
    while i < len(lengths):
        size, shortest = 1, LANER_SIMILAR_LENGTH * lengths[i]
        while i + size < len(lengths) and (size < LANER_MIN_GROUP or lengths[i + size] >= shortest):
            size += 1
        sizes.append(size)
        i += size
    return sizes
