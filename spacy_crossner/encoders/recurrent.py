"""A BiLSTM on weights that are given, by whichever of torch's kernels is the fastest."""

from typing import List, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..tuning import LSTM_PADDED_POSITIONS


def run_bilstm(
    weights: Sequence[Sequence[Tensor]],
    rows: Tensor,
    lengths: Tensor,
    *,
    dropout: float = 0.0,
    training: bool = False,
) -> Tensor:
    """Read docs from both ends.

    weights (Sequence[Sequence[Tensor]]): of each layer forward, then backward: on the input, on the state, and both
        biases, as `torch.nn.LSTM.all_weights` has them.
    rows (Tensor): token vectors, shape (n_docs, n_tokens, width).
    lengths (Tensor): tokens of each doc, 1 or more, on the CPU, shape (n_docs,).
    dropout (float): dropout between the layers.
    training (bool): whether there is any.
    RETURNS (Tensor): shape (n_docs, n_tokens, 2 * hidden), 0 at padding.
    """
    n_docs, n_tokens, _ = rows.shape
    hidden = weights[0][1].shape[1]
    if rows.is_cuda or n_docs * n_tokens > LSTM_PADDED_POSITIONS * int(lengths.sum()):
        packed = pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
        start = rows.new_zeros(len(weights), n_docs, hidden)
        flat = [each for direction in weights for each in direction]
        n_layers = len(weights) // 2
        # cuDNN takes back a gradient only through what it ran as training.
        rate, is_train = dropout if training else 0.0, training or torch.is_grad_enabled()
        data, *_ = torch.lstm(
            packed.data, packed.batch_sizes, (start, start), flat, True, n_layers, rate, is_train, True
        )
        return pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=n_tokens)[0]
    places = torch.arange(n_tokens)
    is_token = places < lengths.unsqueeze(1)
    # Each doc turned round within its length, so that the backward half does not begin in the padding.
    turned = torch.where(is_token, lengths.unsqueeze(1) - 1 - places, places).unsqueeze(2)
    for layer in range(0, len(weights), 2):
        if layer:
            rows = nn.functional.dropout(rows, dropout, training)
        onward = _run_direction(weights[layer], rows)
        back = _run_direction(weights[layer + 1], rows.gather(1, turned.expand_as(rows)))
        rows = torch.cat([onward, back.gather(1, turned.expand_as(back))], dim=2)
    return rows * is_token.unsqueeze(2)


def _run_direction(weights: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Return the states of one direction of a layer, shape (n_docs, n_tokens, hidden)."""
    start = rows.new_zeros(1, len(rows), weights[1].shape[1])
    one: List[Tensor] = list(weights)
    found: Tensor = torch.lstm(rows, (start, start), one, True, 1, 0.0, False, False, True)[0]
    return found
