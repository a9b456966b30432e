"""Scores of tokens given the tags before them, for prediction.

All products of token vectors and weights are computed once for a batch. The rounds of a search are left with products
of narrow vectors:

- The logits of the label background (Eq. 5) are h . (W2 [f; b] + b2) = (h W2_f) . f + h . (W2_b b + b2), for a token
  vector h, and the forward and backward state f and b at the last position of the prefix. There, b has one value for
  each label. So the first term has the width of f, and the second is a table of tokens and labels.
- The label background is a weighted sum of token vectors, and enters only the query of the label context (Eq. 7) and
  the scores (Eq. 10), through linear layers. The weighted sum of the layers' outputs is the same.
"""

from typing import List, Optional, Protocol, Tuple

import numpy as np
import torch
from torch import Tensor, nn

from ...core.crf import BioCRF
from ...core.head import HeadOutput
from .cell import LabelCell
from .prefixes import PrefixEncoder, part_sizes
from .trie import PrefixTrie


class LabelAwareHead(Protocol):
    """The parts of a label-aware head; see `LabelAwareTagger`."""

    use_background: bool
    use_context: bool
    crf: BioCRF
    prefixes: PrefixEncoder
    background_query: nn.Linear
    context_query: nn.Linear
    output: nn.Linear


class LabelReader:
    """The LSTMs of a prefix encoder, and what can be computed from its weights alone. Several batches can share it.

    encoder (PrefixEncoder): the prefix encoder.
    """

    def __init__(self, encoder: PrefixEncoder) -> None:
        rows = encoder.rows()
        self.forward_cell = LabelCell(rows, encoder.forward_lstm)
        backward_cell = LabelCell(rows, encoder.backward_lstm)
        self.backward_trie = PrefixTrie(backward_cell, 2 * encoder.max_cells)
        # The backward state at the last position, for each label.
        labels = torch.arange(len(rows), device=rows.device)
        self.first_backward, _ = backward_cell.step(labels, backward_cell.start(len(rows)))


class PrefixScorer:
    """Scores of the tokens of a batch, given the tags before them.

    head (LabelAwareHead): the head.
    output (HeadOutput): the output of the head; only token vectors and mask are used.
    reader (LabelReader): made from the head's prefix encoder.
    """

    def __init__(self, head: LabelAwareHead, output: HeadOutput, reader: LabelReader) -> None:
        self.prefixes, self.use_background, self.use_context = head.prefixes, head.use_background, head.use_context
        self.on_cpu = output.tokens.device.type == "cpu"
        self.reader = reader
        tokens, width = output.tokens, output.tokens.shape[2]
        of_tokens, of_background, self.of_context = head.output.weight.split(
            [width, width * head.use_background, 2 * self.prefixes.width * head.use_context], dim=1
        )
        # What a vector adds to the scores, and to the query of the label context.
        from_token, from_background = [of_tokens], [of_background]
        biases: List[Tensor] = [head.output.bias]
        if head.use_context:
            from_token.append(head.context_query.weight[:, :width])
            from_background.append(head.context_query.weight[:, width:])
            biases.append(head.context_query.bias)
        weights, bias = torch.cat(from_token), torch.cat(biases)
        self.n_tags, n_added = len(of_tokens), len(weights)
        if not head.use_background:
            self.of_token = nn.functional.linear(tokens, weights, bias)
            return
        query = head.background_query
        from_forward, from_backward = query.weight.chunk(2, dim=1)
        of_labels = nn.functional.linear(reader.first_backward, from_backward, query.bias)
        weights = torch.cat([weights, *from_background, from_forward.T, of_labels])
        # One product gives everything that depends on single tokens.
        products = nn.functional.linear(tokens, weights, nn.functional.pad(bias, (0, len(weights) - n_added)))
        self.of_token, self.values, keys, label_logits = products.split(
            [n_added, n_added, self.prefixes.width, len(of_labels)], dim=2
        )
        self.keys = keys.transpose(1, 2)
        # shape: (n_docs, n_labels, n_tokens)
        self.label_logits = label_logits.transpose(1, 2).masked_fill(~output.mask.unsqueeze(1), -torch.inf)

    @property
    def token_scores(self) -> Tensor:
        """The part of the scores that depends only on the token vectors, shape (n_docs, n_tokens, n_tags)."""
        return self.of_token[..., : self.n_tags]

    def scores(
        self, docs: Tensor, position: Tensor, is_token: Optional[Tensor], labels: Tensor, forward: Tensor
    ) -> Tensor:
        """Return the scores of some tokens of each row, shape (n_rows, n_selected, n_tags).

        A row is a doc with a sequence of labels. Several rows may be the same doc.

        docs (Tensor): the doc of each row, shape (n_rows,).
        position (Tensor): the positions of the selected tokens, shape (n_rows, n_selected).
        is_token (Optional[Tensor]): False where a selected position is padding, shape (n_rows, n_selected). None if
            all positions of the rows are selected, in order.
        labels (Tensor): the label at each position of the longest prefix, shape (n_rows, n_tokens).
        forward (Tensor): the forward state at each position, shape (n_rows, n_tokens, label_width).
        """
        row = torch.arange(len(labels), device=labels.device).unsqueeze(1)
        scores, queries = self._query(docs, position, labels.gather(1, position), forward[row, position])
        if not self.use_context:
            return scores
        if self.on_cpu and is_token is not None:
            attended = self._attend(queries, labels, forward, position, is_token)
        else:
            attended = self.prefixes.attend(queries, labels, forward, position, is_token)
        return scores + attended @ self.of_context.T

    def rough_scores(self, labels: Tensor) -> Tensor:
        """Approximate the scores of all tokens: in the label context, each position has its state as the last position.

        labels (Tensor): the label at each position, shape (n_docs, n_tokens).
        """
        docs, n_tokens = torch.arange(len(labels), device=labels.device), labels.shape[1]
        forward = self.forward_states(labels)
        position = torch.arange(n_tokens, device=labels.device).expand(labels.shape)
        scores, queries = self._query(docs, position, labels, forward)
        if not self.use_context:
            return scores
        states = torch.cat([forward, self.reader.first_backward[labels]], dim=2)
        logits = queries @ states.transpose(1, 2)
        later = torch.ones_like(logits[0], dtype=torch.bool).triu(1)
        return scores + logits.masked_fill_(later, -torch.inf).softmax(dim=2) @ (states @ self.of_context.T)

    def forward_states(self, labels: Tensor) -> Tensor:
        """Return the forward state at each position, shape (*labels.shape, label_width)."""
        # On a CPU, a loop takes half the time of `nn.LSTM`.
        return self.reader.forward_cell.run(labels) if self.on_cpu else self.prefixes.forward_states(labels)

    def _query(self, docs: Tensor, position: Tensor, before: Tensor, last: Tensor) -> Tuple[Tensor, Tensor]:
        """Return the scores of tokens without the label context, and the queries for it.

        before, last (Tensor): label and forward state at the position of each token.
        """
        doc = docs.unsqueeze(1)
        sums = self.of_token[doc, position]
        if self.use_background:
            logits = self.label_logits[doc, before].baddbmm_(last, self.keys[docs])
            sums = sums.baddbmm_(logits.softmax(dim=2), self.values[docs])
        return sums[..., : self.n_tags], sums[..., self.n_tags :]

    def _attend(self, queries: Tensor, labels: Tensor, forward: Tensor, position: Tensor, is_token: Tensor) -> Tensor:
        """Attend from tokens to their prefixes on a CPU; see `PrefixEncoder.attend`."""
        trie, n_selected, n_tokens = self.reader.backward_trie, position.shape[1], labels.shape[1]
        query, back_query = queries.chunk(2, dim=2)
        logits = (query @ forward.transpose(1, 2)).flatten(0, 1)
        back_query, forward = back_query.flatten(0, 1), forward.flatten(0, 1)
        attended = queries.new_zeros(len(logits), queries.shape[2])
        lengths = position.numpy().ravel() + 1
        chosen = np.flatnonzero(is_token.numpy())
        chosen = chosen[np.argsort(-lengths[chosen], kind="stable")]
        start = 0
        for size in part_sizes(lengths[chosen].tolist(), self.prefixes.max_cells):
            part = chosen[start : start + size]
            start += size
            # In the order of the backward LSTM: the last position comes first.
            place = lengths[part, np.newaxis] - 1 - np.arange(lengths[part[0]])
            inside = torch.from_numpy(place >= 0)
            place = np.maximum(place, 0)
            row = part[:, np.newaxis] // n_selected
            index = torch.from_numpy(part)
            nodes = trie.read(labels.numpy()[row, place], lengths[part])
            products = trie.multiply(nodes, lengths[part], back_query[index])
            weights = (products + logits[index].gather(1, torch.from_numpy(place))).softmax(dim=1)[inside]
            starts = torch.from_numpy(np.cumsum(lengths[part]) - lengths[part])
            sums = [
                nn.functional.embedding_bag(
                    torch.from_numpy(indices)[inside], states, starts, mode="sum", per_sample_weights=weights
                )
                for indices, states in ((place + row * n_tokens, forward), (nodes, trie.hidden))
            ]
            attended[index] = torch.cat(sums, dim=1)
        return attended.view(queries.shape)
