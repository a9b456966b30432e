"""The LSTMs over labels, for prediction."""

from typing import Tuple

import torch
from torch import Tensor, nn

State = Tuple[Tensor, Tensor]


class LabelCell:
    """One step of an LSTM over labels, for prediction.

    The four gates need a single call of `sigmoid`, since tanh(x) = 2 sigmoid(2 x) - 1.

    rows (Tensor): the vectors of all labels, shape (n_labels, width).
    lstm (nn.LSTM): the LSTM.
    """

    def __init__(self, rows: Tensor, lstm: nn.LSTM) -> None:
        input_weights, recurrent, bias, other_bias = lstm.all_weights[0]
        self.inputs = _in_order(nn.functional.linear(rows, input_weights, bias + other_bias).T).T.contiguous()
        self.recurrent = _in_order(recurrent).T.contiguous()

    def start(self, n_rows: int) -> State:
        """Return the state before the first label."""
        hidden, cell = self.inputs.new_zeros(2, n_rows, len(self.recurrent))
        return hidden, cell

    def run(self, labels: Tensor) -> Tensor:
        """Return the hidden state after each label of some rows, shape (*labels.shape, width)."""
        state, states = self.start(len(labels)), []
        for column in labels.unbind(1):
            state = self.step(column, state)
            states.append(state[0])
        return torch.stack(states, dim=1)

    def step(self, labels: Tensor, state: State) -> State:
        """Return hidden and cell state of each row after one more label."""
        hidden, cell = state
        gates = self.inputs.index_select(0, labels).addmm_(hidden, self.recurrent).sigmoid_()
        enter, keep, leave, content = gates.chunk(4, dim=1)
        cell = (keep * cell).addcmul_(enter, content, value=2.0).sub_(enter)
        return _tanh(cell).mul_(leave), cell


def _in_order(gates: Tensor) -> Tensor:
    """Reorder the gates of `nn.LSTM` to input, forget, output, content, and double the content for `sigmoid`."""
    enter, keep, content, leave = gates.chunk(4)
    return torch.cat([enter, keep, leave, 2 * content])


def _tanh(values: Tensor) -> Tensor:
    # In PyTorch on a CPU, `sigmoid` takes a third of the time of `tanh`.
    return (2 * values).sigmoid_().mul_(2.0).sub_(1.0)
