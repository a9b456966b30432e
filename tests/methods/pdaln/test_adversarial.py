import warnings

import pytest
import torch
from torch import nn

from spacy_crossner.core.head import HeadOutput
from spacy_crossner.core.losses import LossInputs
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.adversarial import DomainAdversarial


def make_inputs(domains, shift=2.0):
    torch.manual_seed(0)
    is_ai = torch.tensor([domain == "ai" for domain in domains])
    sentences = (torch.randn(len(domains), 4) + shift * is_ai.unsqueeze(1)).requires_grad_()
    tokens = torch.zeros(len(domains), 1, 4)
    output = HeadOutput(emissions=tokens, mask=torch.ones(len(domains), 1, dtype=torch.bool), vectors=tokens)
    output.sentences = sentences
    tags = torch.full((len(domains), 1), -1)
    return LossInputs(nn.Identity(), output, tags, domains, tags[:, 0]), sentences


def test_the_encoder_gets_the_gradient_reversed_and_the_classifier_does_not():
    inputs, sentences = make_inputs(["ai", "news", "news", "ai", "news"])
    term = DomainAdversarial("ai")
    term(inputs).backward()
    found = sentences.grad.clone()
    own = [weights.grad.clone() for weights in term.module.parameters()]
    # The same by hand, with nothing reversed; each side counts half.
    scores = term.module(sentences).squeeze(1)
    loss = sum(
        nn.functional.binary_cross_entropy_with_logits(scores[rows], torch.full((len(rows),), wanted))
        for rows, wanted in (([0, 3], 1.0), ([1, 2, 4], 0.0))
    )
    wanted = torch.autograd.grad(loss / 2, [sentences, *term.module.parameters()])
    torch.testing.assert_close(found, -wanted[0])
    torch.testing.assert_close(own, list(wanted[1:]))


def test_it_learns_to_tell_them_and_is_made_to_fail():
    domains = ["ai", "news"] * 10
    inputs, sentences = make_inputs(domains)
    term = DomainAdversarial("ai", rate=0.02)
    losses = []
    for _ in range(10):
        loss = term(inputs)
        sentences.grad = None
        loss.backward()
        term.finish_update()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    # Down the reversed gradient they are harder to tell.
    before = losses[-1]
    sentences.grad = None
    term(inputs).backward()
    with torch.no_grad():
        sentences -= 10.0 * sentences.grad
    assert term(inputs).item() > 1.05 * before


def test_a_batch_of_one_side_adds_nothing():
    inputs, sentences = make_inputs(["ai", "ai"])
    term = DomainAdversarial("ai")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        term(inputs).backward()
    assert "W002" in str(caught[0].message)
    assert not sentences.grad.any()


def test_its_state_comes_back():
    inputs, _ = make_inputs(["ai", "news"] * 3)
    term, other = DomainAdversarial("ai"), DomainAdversarial("ai")
    assert term.state_to_bytes() == b""
    for _ in range(3):
        term(inputs).backward()
        term.finish_update()
    other.state_from_bytes(term.state_to_bytes())
    for _ in range(2):
        losses = [one(inputs) for one in (term, other)]
        for one, loss in zip((term, other), losses, strict=True):
            loss.backward()
            one.finish_update()
        assert losses[0].item() == losses[1].item()


@pytest.mark.parametrize("settings", [{"width": 0}, {"rate": 0.0}])
def test_settings_without_a_meaning_are_errors(settings):
    with pytest.raises(CrossnerError, match=r"\[C051\]"):
        DomainAdversarial("ai", **settings)
