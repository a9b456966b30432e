import pytest
import torch
from torch import nn

from spacy_crossner.encoders import recurrent
from spacy_crossner.encoders.recurrent import run_bilstm

LENGTHS = [3, 1, 6, 6]


@pytest.fixture(params=[0, 100], ids=["packed", "padded"])
def kernel(request, monkeypatch):
    monkeypatch.setattr(recurrent, "LSTM_PADDED_POSITIONS", request.param)


@pytest.fixture
def lstm():
    torch.manual_seed(0)
    return nn.LSTM(4, 3, 2, batch_first=True, bidirectional=True, dropout=0.5).double()


def gradients(loss, lstm, rows):
    return torch.autograd.grad(loss, [rows, *lstm.parameters()])


def test_states_and_gradients_are_those_of_each_doc_alone(kernel, lstm):
    rows = torch.randn(len(LENGTHS), max(LENGTHS), 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(len(LENGTHS), max(LENGTHS), 6, dtype=torch.float64)
    lstm.eval()
    alone = [lstm(doc[:n].unsqueeze(0))[0][0] for doc, n in zip(rows, LENGTHS, strict=True)]
    together = run_bilstm(lstm.all_weights, rows, torch.tensor(LENGTHS))
    for doc, n, expected in zip(together, LENGTHS, alone, strict=True):
        torch.testing.assert_close(doc[:n], expected, rtol=0, atol=1e-12)
        assert not doc[n:].any()
    slow = sum((doc * weights[i, : len(doc)]).sum() for i, doc in enumerate(alone))
    found = gradients((together * weights).sum(), lstm, rows)
    for one, other in zip(found, gradients(slow, lstm, rows), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_dropout_is_between_the_layers_and_in_training_only(kernel, lstm):
    rows = torch.randn(len(LENGTHS), max(LENGTHS), 4, dtype=torch.float64)

    def run(layers, **settings):
        return run_bilstm(lstm.all_weights[: 2 * layers], rows, torch.tensor(LENGTHS), **settings)

    assert not run(2, dropout=0.5, training=True).equal(run(2, dropout=0.5, training=True))
    assert run(2, dropout=0.5).equal(run(2))
    assert run(1, dropout=0.5, training=True).equal(run(1))


def test_the_kernel_is_chosen_by_the_padding(lstm, monkeypatch):
    packed = []
    pack = recurrent.pack_padded_sequence
    monkeypatch.setattr(recurrent, "pack_padded_sequence", lambda *a, **k: packed.append(1) or pack(*a, **k))
    rows = torch.zeros(2, 9, 4, dtype=torch.float64)
    run_bilstm(lstm.all_weights, rows, torch.tensor([9, 3]))
    assert not packed
    run_bilstm(lstm.all_weights, rows, torch.tensor([9, 2]))
    assert packed
