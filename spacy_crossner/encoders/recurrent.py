"""A BiLSTM with given weights, run by the faster of torch's two kernels."""

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
    """Run a BiLSTM over docs.

    weights (Sequence[Sequence[Tensor]]): for each layer, forward then backward: input weights, recurrent weights and
        both biases, as in `torch.nn.LSTM.all_weights`.
    rows (Tensor): token vectors, shape (n_docs, n_tokens, width).
    lengths (Tensor): tokens of each doc, 1 or more, on the CPU, shape (n_docs,).
    dropout (float): dropout between the layers.
    training (bool): whether dropout is applied.
    RETURNS (Tensor): shape (n_docs, n_tokens, 2 * hidden), 0 at padding.
    """
    n_docs, n_tokens, _ = rows.shape
    hidden = weights[0][1].shape[1]
    if rows.is_cuda or n_docs * n_tokens > LSTM_PADDED_POSITIONS * int(lengths.sum()):
        packed = pack_padded_sequence(rows, lengths, batch_first=True, enforce_sorted=False)
        start = rows.new_zeros(len(weights), n_docs, hidden)
        flat = [tensor for direction in weights for tensor in direction]
        n_layers = len(weights) // 2
        # cuDNN computes gradients only of RNNs that ran in training mode.
        rate, is_train = dropout if training else 0.0, training or torch.is_grad_enabled()
        data, *_ = torch.lstm(
            packed.data, packed.batch_sizes, (start, start), flat, True, n_layers, rate, is_train, True
        )
        return pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=n_tokens)[0]
    positions = torch.arange(n_tokens)
    is_token = positions < lengths.unsqueeze(1)
    # Each doc is reversed within its length, so that the backward LSTM does not begin in the padding.
    reversed_positions = torch.where(is_token, lengths.unsqueeze(1) - 1 - positions, positions).unsqueeze(2)
    for layer in range(0, len(weights), 2):
        if layer:
            rows = nn.functional.dropout(rows, dropout, training)
        forward = _run_direction(weights[layer], rows)
        backward = _run_direction(weights[layer + 1], rows.gather(1, reversed_positions.expand_as(rows)))
        rows = torch.cat([forward, backward.gather(1, reversed_positions.expand_as(backward))], dim=2)
    return rows * is_token.unsqueeze(2)


def _run_direction(weights: Sequence[Tensor], rows: Tensor) -> Tensor:
    """Return the states of one direction of a layer, shape (n_docs, n_tokens, hidden)."""
    start = rows.new_zeros(1, len(rows), weights[1].shape[1])
    one_layer: List[Tensor] = list(weights)
    states: Tensor = torch.lstm(rows, (start, start), one_layer, True, 1, 0.0, False, False, True)[0]
    return states
