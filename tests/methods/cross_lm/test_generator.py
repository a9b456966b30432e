import copy

import pytest
import torch
from torch import nn

from spacy_crossner.methods.cross_lm.generator import (
    LANGUAGE_MODEL,
    NER,
    GeneratedBiLSTM,
    SampledSoftmax,
    language_model_pairs,
)

LENGTHS = torch.tensor([4, 1, 3])


def make_encoder(**settings):
    torch.manual_seed(0)
    encoder = GeneratedBiLSTM(5, 3, 2, **{"vector_width": 4, **settings}).double()
    with torch.no_grad():
        for weights in encoder.parameters():
            if weights.requires_grad:
                weights.copy_(0.5 * torch.randn_like(weights))
    return encoder


def make_rows():
    torch.manual_seed(1)
    return torch.randn(3, 4, 5, dtype=torch.float64)


def contraction(encoder, domain, task):
    """Return the weights of a domain and a task by three loops over W."""
    tensor = encoder.scale * encoder.meta
    n_weights, n_task, n_domain = tensor.shape
    found = []
    for p in range(n_weights):
        total = 0.0
        for v in range(n_task):
            for u in range(n_domain):
                total = total + tensor[p, v, u] * encoder.tasks[task, v] * encoder.domains[domain, u]
        found.append(total)
    return torch.stack(found)


def one_direction(rows, w_ih, w_hh, b_ih, b_hh, order):
    """Run an LSTM cell by cell over the tokens in an order; return the states by token."""
    hidden = cell = rows.new_zeros(w_hh.shape[1])
    found = {}
    for i in order:
        gates = w_ih @ rows[i] + b_ih + w_hh @ hidden + b_hh
        enter, forget, new, leave = gates.chunk(4)
        cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
        hidden = leave.sigmoid() * cell.tanh()
        found[i] = hidden
    return found


def slow_states(weights, rows, lengths):
    found = []
    for row, length in zip(rows, lengths.tolist(), strict=True):
        halves = []
        for suffix, order in (("", range(length)), ("_reverse", reversed(range(length)))):
            names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
            halves.append(one_direction(row, *(weights[name + suffix] for name in names), order))
        states = [torch.cat([half[i] for half in halves]) for i in range(length)]
        padding = [row.new_zeros(len(states[0]))] * (rows.shape[1] - length)
        found.append(torch.stack(states + padding))
    return torch.stack(found)


def encode(encoder, rows, pair, lengths=LENGTHS):
    return encoder(rows, lengths, encoder.weights_of([pair])[0])


@pytest.mark.parametrize("with_gradient", [True, False])
def test_weights_are_the_contraction_of_the_paper(with_gradient):
    encoder, pairs = make_encoder(), [(0, NER), (1, NER), (1, LANGUAGE_MODEL)]
    with torch.set_grad_enabled(with_gradient):
        for pair, weights in zip(pairs, encoder.weights_of(pairs), strict=True):
            found = torch.cat([part.flatten() for part in weights.values()])
            torch.testing.assert_close(found, contraction(encoder, *pair), rtol=0, atol=1e-12)


def test_states_and_gradients_are_those_of_a_loop_over_cells():
    encoder, rows = make_encoder(), make_rows().requires_grad_()
    pair = (1, LANGUAGE_MODEL)
    found = encode(encoder, rows, pair)
    slow = slow_states(encoder.weights_of([pair])[0], rows, LENGTHS)
    torch.testing.assert_close(found, slow, rtol=0, atol=1e-12)
    weights = torch.rand_like(found)
    inputs = [rows, *encoder.parameters()]
    torch.testing.assert_close(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((slow * weights).sum(), inputs),
        rtol=0,
        atol=1e-12,
    )


def test_with_vectors_of_one_it_is_a_plain_lstm():
    torch.manual_seed(0)
    encoder = GeneratedBiLSTM(5, 3, 2, use_domains=False, use_tasks=False).double()
    assert [name for name, weights in encoder.named_parameters() if weights.requires_grad] == ["meta"]
    plain = nn.LSTM(5, 3, batch_first=True, bidirectional=True).double()
    plain.load_state_dict(encoder.weights_of([(0, NER)])[0])
    rows = make_rows()[:, :3]
    for pair in [(0, NER), (1, LANGUAGE_MODEL)]:
        found = encode(encoder, rows, pair, torch.tensor([3, 3, 3]))
        torch.testing.assert_close(found, plain(rows)[0], rtol=0, atol=1e-12)


def test_domains_share_what_they_begin_with_and_differ_in_what_they_learn():
    torch.manual_seed(0)
    likeness = []
    for spread in (0.0, 0.1, 1.0, 10.0):
        encoder = GeneratedBiLSTM(5, 3, 2, spread=spread)
        first, second = (encoder.weights_of([(domain, NER)])[0]["weight_ih_l0"] for domain in (0, 1))
        likeness.append(torch.nn.functional.cosine_similarity(first.flatten(), second.flatten(), dim=0).item())
    assert likeness[0] == pytest.approx(1, abs=1e-6)
    assert likeness[1] > 0.95 > likeness[2] > likeness[3]
    # Spread as torch spreads the weights of an LSTM.
    whole = torch.cat([weights.flatten() for weights in encoder.weights_of([(0, NER)])[0].values()])
    plain = torch.cat([weights.flatten() for weights in nn.LSTM(5, 3, bidirectional=True).parameters()])
    assert 0.7 < whole.std() / plain.std() < 1.4
    encoder = make_encoder()
    encode(encoder, make_rows(), (0, NER)).sum().backward()
    assert encoder.domains.grad[0].abs().max() > 0
    assert encoder.domains.grad[1].abs().max() == 0
    assert encoder.tasks.grad[LANGUAGE_MODEL].abs().max() == 0


def test_a_step_moves_generated_weights_as_it_moves_those_of_a_plain_lstm():
    torch.manual_seed(0)
    moved = []
    for settings in ({"spread": 0.1}, {"spread": 1.0}, {"use_domains": False, "use_tasks": False}):
        encoder = GeneratedBiLSTM(5, 3, 2, **settings)
        optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)
        before = encoder.weights_of([(0, NER)])[0]["weight_hh_l0"].detach()
        encode(encoder, make_rows().float(), (0, NER)).square().sum().backward()
        optimizer.step()
        moved.append((encoder.weights_of([(0, NER)])[0]["weight_hh_l0"].detach() - before).abs().median())
    assert moved[2] == pytest.approx(1e-3, rel=0.01)
    assert all(0.4e-3 < step < 2e-3 for step in moved[:2])


def test_weights_are_generated_once_for_prediction(monkeypatch):
    encoder, rows = make_encoder(), make_rows()
    calls = []
    generate = encoder._generate
    monkeypatch.setattr(encoder, "_generate", lambda pairs: calls.extend(pairs) or generate(pairs))
    with torch.inference_mode():
        first = encode(encoder, rows, (0, NER))
        assert torch.equal(encode(encoder, rows, (0, NER)), first)
        encode(encoder, rows, (1, NER))
    assert calls == [(0, NER), (1, NER)]
    # A step changes them, one of torch's and one of thinc's.
    with torch.no_grad():
        encoder.meta.mul_(0.5)
        assert not torch.equal(encode(encoder, rows, (0, NER)), first)
        changed = encode(encoder, rows, (0, NER))
        encoder.meta.data = 2 * encoder.meta.data
        assert not torch.equal(encode(encoder, rows, (0, NER)), changed)
    encode(encoder, rows, (0, NER)).sum().backward()
    assert encoder.meta.grad.abs().max() > 0


def test_a_new_domain_begins_with_the_mean():
    encoder = make_encoder()
    before = encoder.weights_of([(1, NER)])[0]["weight_hh_l0"]
    mean = encoder.domains.detach().mean(dim=0)
    length = encoder.domains.detach().norm(dim=1).mean()
    encoder.grow(3)
    torch.testing.assert_close(encoder.domains.detach()[2], length * mean / mean.norm())
    assert torch.equal(encoder.weights_of([(1, NER)])[0]["weight_hh_l0"], before)
    assert encoder.domains.requires_grad


def test_a_copy_is_one():
    encoder = make_encoder()
    with torch.no_grad():
        encode(encoder, make_rows(), (0, NER))
    copied = copy.deepcopy(encoder)
    assert {name: weights.requires_grad for name, weights in copied.named_parameters()} == {
        name: weights.requires_grad for name, weights in encoder.named_parameters()
    }
    with torch.no_grad():
        copied.meta.zero_()
        assert not encode(copied, make_rows(), (0, NER)).any()
        assert encode(encoder, make_rows(), (0, NER)).any()


def make_softmax():
    torch.manual_seed(2)
    softmax = SampledSoftmax(7, 3).double()
    with torch.no_grad():
        softmax.bias.normal_()
    softmax.counts.copy_(torch.tensor([9.0, 5, 4, 3, 2, 1, 1]))
    return softmax, torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 6, 2, 2])


def test_with_all_words_it_is_the_full_softmax():
    softmax, states, words = make_softmax()
    found = softmax(states, words, None, correct=True)
    for i, word in enumerate(words.tolist()):
        scores = [(softmax.vectors[k] @ states[i] + softmax.bias[k]).exp() for k in range(7)]
        assert found[i].item() == pytest.approx(-(scores[word] / sum(scores)).log().item(), abs=1e-12)


@pytest.mark.parametrize("correct", [True, False])
def test_it_is_the_sampled_softmax_of_the_paper(correct, monkeypatch):
    softmax, states, words = make_softmax()
    drawn = torch.tensor([0, 3, 3, 2])
    monkeypatch.setattr(torch, "multinomial", lambda *args, **settings: drawn)
    found = softmax(states, words, 4, correct=correct)
    drawing = 1 - (1 - softmax.counts / softmax.counts.sum()) ** 4
    for i, word in enumerate(words.tolist()):

        def score(k, i=i):
            return softmax.vectors[k] @ states[i] + softmax.bias[k] - (drawing[k].log() if correct else 0)

        others = [score(k).exp() for k in set(drawn.tolist()) - {word}]
        wanted = -(score(word).exp() / (score(word).exp() + sum(others))).log()
        assert found[i].item() == pytest.approx(wanted.item(), abs=1e-12)


def test_the_corrected_sample_tends_to_the_full_softmax():
    softmax, states, words = make_softmax()
    torch.manual_seed(0)
    full = softmax(states, words, None, correct=True)
    torch.testing.assert_close(softmax(states, words, 3000, correct=True), full)


def test_each_direction_finds_its_neighbour():
    states = torch.arange(2 * 3 * 4.0).view(2, 3, 4)
    words = torch.tensor([[5, 6, 7], [8, -1, -1]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    (forward, nexts), (backward, befores) = language_model_pairs(states, words, mask)
    assert nexts.tolist() == [6, 7]
    assert forward.tolist() == [states[0, 0, :2].tolist(), states[0, 1, :2].tolist()]
    # Nothing finds a word that is not known, and no padding finds any.
    assert befores.tolist() == [5, 6, 8]
    assert backward.tolist() == [states[0, 1, 2:].tolist(), states[0, 2, 2:].tolist(), states[1, 1, 2:].tolist()]
