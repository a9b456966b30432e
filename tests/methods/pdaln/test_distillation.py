import copy
from itertools import product

import pytest
import torch

from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.core.losses import LossInputs, LossTerm, weighted_sum
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.distillation import Distillation

DOMAINS = ["adaptive", "ai", "adaptive"]


def make_head(use_crf, seed=0):
    torch.manual_seed(seed)
    allowed = torch.ones(3, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool)
    head = LinearTagger(4, *allowed, use_crf=use_crf).double()
    with torch.no_grad():
        for weights in head.crf.parameters():
            weights.copy_(torch.randn_like(weights) if use_crf else weights)
    return head


def make_inputs(head, teacher):
    torch.manual_seed(5)
    mask = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
    tags = torch.tensor([[1, 2, 0], [0, 1, -1], [0, -1, -1]])
    tokens = torch.randn(int(mask.sum()), 4, dtype=torch.float64)
    with torch.no_grad():
        log_probabilities = teacher.log_probabilities(teacher(tokens, mask))
    partners = torch.full((3,), -1)
    return LossInputs(head, head(tokens, mask), tags, DOMAINS, partners, log_probabilities)


def slow_probabilities(head, emissions):
    """Return the probability of each tag at each token of one row: a softmax, or the sum over all paths of the CRF."""
    if not head.use_crf:
        return torch.softmax(emissions, dim=1)
    paths = torch.tensor(list(product(range(3), repeat=len(emissions))))
    scores = head.crf.start_transitions[paths[:, 0]] + head.crf.end_transitions[paths[:, -1]]
    for i in range(len(emissions)):
        scores = scores + emissions[i, paths[:, i]]
        if i:
            scores = scores + head.crf.transitions[paths[:, i - 1], paths[:, i]]
    chances = torch.softmax(scores, dim=0)
    of_tags = [[chances[paths[:, i] == tag].sum() for tag in range(3)] for i in range(len(emissions))]
    return torch.stack([torch.stack(row) for row in of_tags])


def slow_loss(inputs, average, domain, temperature):
    """Return the mean of the cross-entropies of Eq. 11, token by token."""
    found = []
    for row, length in enumerate(inputs.output.mask.sum(dim=1).tolist()):
        own = slow_probabilities(inputs.head, inputs.output.emissions[row, :length]).log()
        if domain is not None and inputs.domains[row] != domain:
            continue
        for token in range(length):
            if average == "entities" and inputs.tags[row, token] <= 0:
                continue
            teacher = torch.softmax(inputs.teacher[row, token] / temperature, dim=0)
            student = torch.softmax(own[token] / temperature, dim=0)
            found.append(-sum(t * s.log() for t, s in zip(teacher, student, strict=True)))
    return sum(found) / len(found)


@pytest.mark.parametrize("use_crf", [True, False])
@pytest.mark.parametrize("average", ["entities", "tokens"])
@pytest.mark.parametrize("domain", ["adaptive", None])
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_it_is_the_mean_cross_entropy_of_the_paper(use_crf, average, domain, temperature):
    inputs = make_inputs(make_head(use_crf), make_head(use_crf, seed=1))
    term = Distillation(average=average, domain=domain, temperature=temperature)
    torch.testing.assert_close(term(inputs), slow_loss(inputs, average, domain, temperature), rtol=0, atol=1e-12)


@pytest.mark.parametrize("use_crf", [True, False])
def test_a_student_equal_to_its_teacher_gets_no_gradient(use_crf):
    head = make_head(use_crf)
    inputs = make_inputs(head, copy.deepcopy(head))
    terms = {"nll": TagLikelihood(), "distillation": Distillation(average="tokens", weight=1.0)}
    weighted_sum(terms, {name: term(inputs) for name, term in terms.items()}).backward()
    assert max(weights.grad.abs().max() for weights in head.parameters() if weights.grad is not None) < 1e-12
    # Another teacher gives one.
    inputs = make_inputs(head, make_head(use_crf, seed=1))
    terms["distillation"](inputs).backward()
    assert head.output.weight.grad.abs().max() > 1e-3


def test_the_weight_is_a_mixture_weight():
    class Constant(LossTerm):
        def __call__(self, inputs):
            raise NotImplementedError

    terms = {"nll": Constant(), "mmd": Constant(weight=0.5), "distillation": Distillation(weight=0.25)}
    values = {"nll": torch.tensor(4.0), "mmd": torch.tensor(2.0), "distillation": torch.tensor(8.0)}
    assert weighted_sum(terms, values).item() == 0.75 * (4.0 + 0.5 * 2.0) + 0.25 * 8.0
    # With gamma 0: Eq. 10.
    terms["distillation"].weight = 0.0
    assert weighted_sum(terms, values).item() == 5.0


def test_a_mixture_weight_alone_scales_the_loss():
    value = torch.tensor(8.0, requires_grad=True)
    loss = weighted_sum({"distillation": Distillation(weight=0.25)}, {"distillation": value})
    assert loss.item() == 2.0
    loss.backward()
    assert value.grad.item() == 0.25


def test_two_mixture_weights_are_an_error():
    terms = {"one": Distillation(), "two": Distillation()}
    with pytest.raises(CrossnerError, match=r"\[C047\].*one, two"):
        weighted_sum(terms, {"one": torch.tensor(1.0), "two": torch.tensor(1.0)})


@pytest.mark.parametrize("average", ["entities", "tokens"])
def test_a_batch_without_such_docs_adds_nothing(average):
    head = make_head(use_crf=True)
    inputs = make_inputs(head, make_head(use_crf=True, seed=1))
    inputs.domains = ["ai"] * 3
    loss = Distillation(average=average)(inputs)
    loss.backward()
    assert loss.item() == 0
    assert head.output.weight.grad.abs().max() == 0


def test_the_teacher_is_asked_about_docs_that_count():
    inputs = make_inputs(make_head(use_crf=True), make_head(use_crf=True))
    # The last doc is adaptive, and has no entity.
    assert Distillation().teacher_rows(inputs).tolist() == [True, False, False]
    assert Distillation(average="tokens").teacher_rows(inputs).tolist() == [True, False, True]
    assert Distillation(domain=None).teacher_rows(inputs).tolist() == [True, True, False]


def test_a_teacher_with_other_tags_is_an_error():
    inputs = make_inputs(make_head(use_crf=True), make_head(use_crf=True))
    inputs.teacher = inputs.teacher[:, :, :1]
    with pytest.raises(CrossnerError, match=r"\[C042\] The teacher knows 1 tags, the component 3"):
        Distillation()(inputs)


@pytest.mark.parametrize("settings", [{"average": "words"}, {"temperature": 0.0}, {"weight": 1.5}])
def test_settings_without_a_meaning_are_errors(settings):
    with pytest.raises(CrossnerError, match=r"\[C041\]"):
        Distillation(**settings)
