import copy
from itertools import product

import pytest
import spacy
import torch
from spacy.training import Example
from thinc.api import fix_random_seed, registry

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.likelihood import TagLikelihood
from spacy_crossner.core.linear import LinearTagger
from spacy_crossner.core.losses import LossInputs, LossTerm


class MeanSquare(LossTerm):
    """A second term: the mean square of the emissions. It keeps what it saw."""

    def __call__(self, inputs):
        self.seen = inputs
        return inputs.output.emissions.square().mean()


@pytest.fixture
def ner(annotated_docs):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("crf_ner")
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    return ner


@pytest.fixture
def examples(ner, annotated_docs):
    """Give six examples, some marked with a domain, one without tokens in the middle."""
    nlp = spacy.blank("en", vocab=ner.vocab)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)[:5]]
    for example in examples[:3]:
        set_domain(example.predicted, "news")
    empty = nlp.make_doc("")
    set_domain(empty, "nowhere")
    return [*examples[:2], Example(empty, nlp.make_doc("")), *examples[2:]]


def gradients(ner, examples):
    """Return the losses of an update and the gradients at the head's parameters."""
    head = get_module(ner.model)
    head.zero_grad()
    losses = ner.update(examples)
    found = {name: p.grad for name, p in head.named_parameters()}
    return losses, {name: torch.zeros(()) if gradient is None else gradient for name, gradient in found.items()}


def slow_nll(head, emissions, gold):
    """Return minus the log of the probability of all paths of one row that agree with the known tags."""
    paths = torch.tensor(list(product(range(3), repeat=len(gold))))
    scores = torch.stack([emissions[i, paths[:, i]] for i in range(len(gold))]).sum(dim=0)
    if head.use_crf:
        scores = scores + head.crf.start_transitions[paths[:, 0]] + head.crf.end_transitions[paths[:, -1]]
        for i in range(1, len(gold)):
            scores = scores + head.crf.transitions[paths[:, i - 1], paths[:, i]]
    agrees = ((paths == torch.tensor(gold)) | (torch.tensor(gold) < 0)).all(dim=1)
    return scores.logsumexp(0) - scores[agrees].logsumexp(0)


@pytest.mark.parametrize("use_crf", [True, False])
@pytest.mark.parametrize("domain", [None, "ai"])
def test_tag_likelihood_is_the_mean_over_the_known_tags_of_a_domain(use_crf, domain):
    torch.manual_seed(0)
    allowed = torch.ones(3, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool)
    head = LinearTagger(4, *allowed, use_crf=use_crf).double()
    mask = torch.tensor([[True, True, True], [True, False, False]])
    tags = torch.tensor([[0, -1, 2], [1, -1, -1]])
    output = head(torch.randn(4, 4, dtype=torch.float64), mask)
    inputs = LossInputs(head=head, output=output, tags=tags, domains=["ai", None], partners=torch.tensor([-1, -1]))
    term = TagLikelihood(weight=3.0, domain=domain)
    expected, n_known = slow_nll(head, output.emissions[0], [0, -1, 2]), 2
    if domain is None:
        expected, n_known = expected + slow_nll(head, output.emissions[1, :1], [1]), 3
    found = term(inputs)
    # The weight is for the sum of the terms.
    torch.testing.assert_close(found, expected / n_known, rtol=0, atol=1e-10)
    assert found.requires_grad
    assert term.weight == 3.0
    assert TagLikelihood(domain="law")(inputs).item() == 0


def test_tag_likelihood_is_registered():
    term = registry.resolve({"loss": {"@losses": "spacy_crossner.TagLikelihood.v1", "weight": 0.25}})["loss"]
    assert isinstance(term, TagLikelihood)
    assert term.weight == 0.25
    assert TagLikelihood().weight == 1.0


def test_terms_see_rows_of_docs_with_tokens(ner, examples):
    term = ner.losses["square"] = MeanSquare()
    ner.update(examples)
    assert term.seen.domains == ["news", "news", "news", None, None]
    assert term.seen.tags.shape == term.seen.output.mask.shape == (5, 10)
    assert term.seen.head is get_module(ner.model)
    assert torch.equal(term.seen.output.mask.sum(dim=1), torch.tensor([len(e) for e in examples if len(e)]))


def test_the_loss_is_the_weighted_sum_of_its_terms(ner, examples):
    start = copy.deepcopy(get_module(ner.model).state_dict())
    alone = {}
    for name, term in {"nll": TagLikelihood(), "square": MeanSquare()}.items():
        ner.losses = {name: term}
        losses, alone[name] = gradients(ner, examples)
        assert losses[ner.name] == losses[f"{ner.name}.{name}"] > 0
        alone[f"value of {name}"] = losses[ner.name]

    ner.losses = {"nll": TagLikelihood(0.5), "square": MeanSquare(20.0)}
    losses, found = gradients(ner, examples)
    assert losses.keys() == {"crf_ner", "crf_ner.nll", "crf_ner.square"}
    # Logged without its weight.
    assert losses["crf_ner.nll"] == pytest.approx(alone["value of nll"], rel=1e-6)
    assert losses["crf_ner.square"] == pytest.approx(alone["value of square"], rel=1e-6)
    expected = 0.5 * alone["value of nll"] + 20.0 * alone["value of square"]
    assert losses["crf_ner"] == pytest.approx(expected, rel=1e-6)
    for name, gradient in found.items():
        combined = 0.5 * alone["nll"][name] + 20.0 * alone["square"][name]
        torch.testing.assert_close(gradient, combined.expand_as(gradient), rtol=1e-4, atol=2e-6)
    assert all(torch.equal(value, start[name]) for name, value in get_module(ner.model).state_dict().items())


def test_a_weight_may_change_during_training(ner, examples):
    ner.losses = {"square": MeanSquare(1.0)}
    _, before = gradients(ner, examples)
    ner.losses["square"].weight = 0.0
    losses, after = gradients(ner, examples)
    assert losses["crf_ner"] == losses["crf_ner.square"] == 0.0
    assert all((gradient == 0).all() for gradient in after.values())
    assert (before["output.weight"] != 0).any()


def test_get_loss_reads_the_tags_off_the_examples(ner, examples):
    output = ner.model.predict([example.predicted for example in examples])
    ner.losses = {"nll": TagLikelihood(2.0), "square": MeanSquare(0.5)}
    loss, terms = ner.get_loss(examples, output)
    rows = ner.make_rows([example.predicted for example in examples])
    again, _ = ner.get_loss(examples, output, rows.with_tags(ner.gold_tags(examples, rows)))
    assert torch.equal(loss, again)
    torch.testing.assert_close(loss, 2.0 * terms["nll"] + 0.5 * terms["square"])


def test_losses_of_several_updates_add_up(ner, examples):
    losses = ner.update(examples)
    first = dict(losses)
    ner.update(examples, losses=losses)
    assert losses == {name: pytest.approx(2 * value, rel=1e-6) for name, value in first.items()}


def test_a_term_without_weight_is_not_worked_out(ner, examples):
    class Forbidden(LossTerm):
        needs_teacher = needs_sentences = True

        def __call__(self, inputs):
            raise AssertionError

    _, alone = gradients(ner, examples)
    ner.losses = {"nll": ner.losses["nll"], "none": Forbidden(weight=0.0)}
    losses, found = gradients(ner, examples)
    assert losses["crf_ner.none"] == 0
    assert all(torch.equal(found[name], gradient) for name, gradient in alone.items())
