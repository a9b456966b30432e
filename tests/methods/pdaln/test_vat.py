import pytest
import torch

from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.core.losses import LossInputs
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.vat import VirtualAdversarial

MASK = torch.tensor([[True, True, True], [True, True, False]])


def make_inputs(use_crf=False, dropout=0.0):
    torch.manual_seed(0)
    allowed = torch.ones(3, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool)
    head = LinearTagger(4, *allowed, use_crf=use_crf).double()
    head.dropout.p = dropout
    tokens = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    tags = torch.full((2, 3), -1)
    return LossInputs(head, head(tokens, MASK), tags, [None, None], tags[:, 0]), tokens


def divergence(head, tokens, move):
    with torch.no_grad():
        one, other = ((head.output(rows)).log_softmax(dim=1) for rows in (tokens, tokens + move))
        return (one.exp() * (one - other)).sum(dim=1)


def test_no_direction_moves_the_distributions_further():
    """The softmax of a token depends on its own vector alone, so that each direction can be tried by itself."""
    inputs, tokens = make_inputs()
    term = VirtualAdversarial(radius=0.01, probe=1e-4, steps=50)
    radius = 0.01 * tokens.norm(dim=1).mean()
    generator = torch.Generator().manual_seed(1)
    best = torch.zeros(5, dtype=torch.float64)
    for _ in range(4000):
        move = torch.randn(5, 4, generator=generator, dtype=torch.float64)
        best = torch.maximum(best, divergence(inputs.head, tokens, radius * move / move.norm(dim=1, keepdim=True)))
    found = term(inputs).item()
    assert best.mean().item() * 0.999 < found < best.mean().item() * 1.03
    # One iteration is nearer to it than no look at all.
    once = VirtualAdversarial(radius=0.01, probe=1e-4)(inputs).item()
    assert 0.6 * found < once <= found * 1.001


@pytest.mark.parametrize("use_crf", [True, False])
def test_its_gradient_reaches_head_and_encoder(use_crf):
    inputs, tokens = make_inputs(use_crf)
    loss = VirtualAdversarial()(inputs)
    loss.backward()
    assert loss.item() > 0
    assert tokens.grad.abs().max() > 0
    assert inputs.head.output.weight.grad.abs().max() > 0


def test_dropout_has_no_part_in_it():
    inputs, _ = make_inputs(dropout=0.9)
    found = []
    for _ in range(2):
        torch.manual_seed(1)
        found.append(VirtualAdversarial(radius=1e-6)(inputs).item())
    assert found[0] == found[1] < 1e-9
    assert inputs.head.training


@pytest.mark.parametrize("settings", [{"radius": 0.0}, {"probe": -1.0}, {"steps": 0}])
def test_settings_without_a_meaning_are_errors(settings):
    with pytest.raises(CrossnerError, match=r"\[C043\]"):
        VirtualAdversarial(**settings)
