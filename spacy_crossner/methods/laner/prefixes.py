"""A Bi-LSTM over the tags before each token, for all tokens at once: the label encoder of LANER."""

from typing import List, Tuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

State = Tuple[Tensor, Tensor]

# From so many prefixes on it pays, on a CPU, to look which stretches of tags are the same.
SHARED_FROM = 64
# Prefixes are like in length if the shortest has this share of the longest. A group has so many rows if there are any.
LIKE_SHARE = 0.8
LIKE_ROWS = 16


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

    def rows(self) -> Tensor:
        """Return the vectors of all labels, the begin label last, shape (n_tags + 1, width)."""
        return torch.cat([self.table.weight, self.begin.unsqueeze(0)])

    def inputs(self, lstm: nn.LSTM) -> Tensor:
        """Return what each label, the begin label last, adds to the gates of a half, shape (n_tags + 1, 4 * width)."""
        entering, _, bias, other_bias = lstm.all_weights[0]
        return nn.functional.linear(self.rows(), entering, bias + other_bias)

    def forward_states(self, labels: Tensor) -> Tensor:
        """Return what the forward half makes of each place, shape (n_docs, n_tokens, width)."""
        states, _ = self.forward_lstm(nn.functional.embedding(labels, self.rows()))
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

    def attend(self, queries: Tensor, labels: Tensor, forward: Tensor, last: Tensor, inside: Tensor) -> Tensor:
        """Attend from tokens to all places of their prefixes (Eq. 8).

        queries (Tensor): some tokens' queries, shape (n_docs, n_looked_at, 2 * width).
        labels (Tensor): the label at each place, shape (n_docs, n_tokens).
        forward (Tensor): what the forward half makes of each place, shape (n_docs, n_tokens, width).
        last (Tensor): the last place of the prefix of each of these tokens, shape (n_docs, n_looked_at).
        inside (Tensor): which of them are tokens, not padding, shape (n_docs, n_looked_at).
        RETURNS (Tensor): shape (n_docs, n_looked_at, 2 * width), 0 at padding.
        """
        query, back_query = queries.chunk(2, dim=2)
        n_places = labels.shape[1]
        # The forward half is the same for all tokens of a doc: two products.
        scores = (query @ forward.transpose(1, 2)).flatten(0, 1)
        row = torch.arange(len(labels), device=labels.device).unsqueeze(1).expand(last.shape)
        chosen = inside.flatten().nonzero().squeeze(1)
        chosen = chosen[last.flatten()[chosen].argsort(descending=True, stable=True)]
        lengths = (last.flatten()[chosen] + 1).tolist()
        sizes = part_sizes(lengths, self.max_cells)
        weights, found = [], []
        for part in chosen.split(sizes):
            part_lengths, lengths = lengths[: len(part)], lengths[len(part) :]
            longest = part_lengths[0]
            # Backwards, as the backward half reads: column t is place last - t.
            place = last.flatten()[part].unsqueeze(1) - torch.arange(longest, device=labels.device)
            read = labels[row.flatten()[part].unsqueeze(1), place.clamp(min=0)]
            arguments = (back_query.flatten(0, 1)[part], scores[part, :longest], read, place, part_lengths)
            if torch.is_grad_enabled() and len(sizes) > 1:
                part_weights, states = checkpoint(self._attend, *arguments, use_reentrant=False)
            else:
                part_weights, states = self._attend(*arguments)
            weights.append(nn.functional.pad(part_weights, (0, n_places - longest)))
            found.append(states)
        grid = torch.zeros_like(scores).index_copy(0, chosen, torch.cat(weights)).view(*last.shape, n_places)
        states = scores.new_zeros(len(scores), self.width).index_copy(0, chosen, torch.cat(found))
        return torch.cat([grid @ forward, states.view(*last.shape, self.width)], dim=2)

    def attend_roughly(self, queries: Tensor, labels: Tensor, forward: Tensor) -> Tensor:
        """Attend from all tokens to the places of their prefixes as if each were the last: near `attend`, and cheap.

        queries (Tensor): shape (n_docs, n_tokens, 2 * width); the rest and what is returned as in `attend`.
        """
        states = self.last_states(labels, forward)
        scores = queries @ states.transpose(1, 2)
        later = torch.ones_like(scores[0], dtype=torch.bool).triu(1)
        return scores.masked_fill(later, -torch.inf).softmax(dim=2) @ states

    def _attend(
        self, queries: Tensor, scores: Tensor, read: Tensor, place: Tensor, lengths: List[int]
    ) -> Tuple[Tensor, Tensor]:
        """Attend from tokens in the order of their prefixes, the longest first.

        queries (Tensor): for the backward half, shape (n_queries, width).
        scores (Tensor): what the forward half gives for each place, shape (n_queries, longest).
        read (Tensor): the labels as the backward half reads them, the last place first, shape (n_queries, longest).
        place (Tensor): where they stand, below 0 where there is none, shape (n_queries, longest).
        lengths (List[int]): places of each prefix.
        RETURNS (Tuple[Tensor, Tensor]): the weights of all places, shape (n_queries, longest), and what the backward
            half makes of them, shape (n_queries, width).
        """
        states, node = self._backward_states(read, lengths)
        # In the order of places; outside stands any state, with the weight 0.
        node = node.gather(1, place.clamp(min=0))
        outside = torch.arange(lengths[0], device=place.device) > place[:, :1]
        weights, found = [], []
        start = 0
        # Prefixes of like lengths together, so that little of it is padding.
        for size in like_lengths(lengths):
            rows, longest = slice(start, start + size), lengths[start]
            start += size
            # shape: (n_like, longest, width)
            back = nn.functional.embedding(node[rows, :longest], states)
            score = scores[rows, :longest] + (back @ queries[rows].unsqueeze(2)).squeeze(2)
            weight = score.masked_fill(outside[rows, :longest], -torch.inf).softmax(dim=1)
            found.append((weight.unsqueeze(1) @ back).squeeze(1))
            weights.append(nn.functional.pad(weight, (0, lengths[0] - longest)))
        return torch.cat(weights), torch.cat(found)

    def _backward_states(self, labels: Tensor, lengths: List[int]) -> Tuple[Tensor, Tensor]:
        """Run the backward half over prefixes.

        labels (Tensor): the labels of each prefix, the last place first, shape (n_queries, longest).
        lengths (List[int]): places of each prefix, longest first.
        RETURNS (Tuple[Tensor, Tensor]): the states of all different stretches of labels, shape (n_states, width), and
            which of them each place has, shape of `labels`, 0 where there is no place.
        """
        if labels.device.type != "cpu" or len(lengths) < SHARED_FROM:
            # One call, in which equal stretches are computed each for itself.
            states, _ = self.backward_lstm(nn.functional.embedding(labels, self.rows()))
            return states.flatten(0, 1), torch.arange(labels.numel(), device=labels.device).view(labels.shape)
        inputs, recurrent = self.inputs(self.backward_lstm), self.backward_lstm.all_weights[0][1].T
        n_labels, n_rows = len(inputs), len(lengths)
        node = torch.zeros_like(labels)
        # Of each row, the state of its last step.
        at = torch.zeros_like(labels[:, 0])
        found: List[Tensor] = []
        n_states = 0
        for step, column in enumerate(labels.unbind(1)):
            while lengths[n_rows - 1] <= step:
                n_rows -= 1
            stretches, at = torch.unique(at[:n_rows] * n_labels + column[:n_rows], return_inverse=True)
            before = stretches // n_labels
            gates = inputs.index_select(0, stretches % n_labels)
            if step == 0:
                hidden, cell = first_cell(gates)
            else:
                gates = torch.addmm(gates, hidden.index_select(0, before), recurrent)
                hidden, cell = next_cell(gates, cell.index_select(0, before))
            node[:n_rows, step] = at + n_states
            found.append(hidden)
            n_states += len(hidden)
        return torch.cat(found), node

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


def part_sizes(lengths: List[int], max_cells: int) -> List[int]:
    """Cut rows, longest first, into parts of no more than `max_cells` places with their padding, or of one row."""
    sizes, i = [], 0
    while i < len(lengths):
        size = min(max(1, max_cells // lengths[i]), len(lengths) - i)
        sizes.append(size)
        i += size
    return sizes


def like_lengths(lengths: List[int]) -> List[int]:
    """Cut rows, longest first, into groups in which none is much longer than another; but not into too many."""
    sizes, i = [], 0
    while i < len(lengths):
        size = 1
        while i + size < len(lengths) and (size < LIKE_ROWS or lengths[i + size] >= LIKE_SHARE * lengths[i]):
            size += 1
        sizes.append(size)
        i += size
    return sizes
