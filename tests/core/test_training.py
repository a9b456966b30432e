"""What an update of any component learns from, and what it leaves alone."""

import numpy as np
import pytest
import torch
from spacy.tokens import Doc, Span
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import set_domain, without_annotation
from spacy_crossner.core.alignment import doc_tags
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.likelihood import TagLikelihood

from .components import entities, examples_of, plain_sgd, predict_all, weights


def test_overfits(trained):
    nlp, docs = trained
    assert nlp.evaluate(examples_of(nlp, docs))["ents_f"] == 1.0
    assert predict_all(nlp, docs) == [entities(doc) for doc in docs]


@pytest.mark.parametrize("ents", [None, ["", "", "", ""]])
def test_missing_annotation_leaves_the_weights_alone(trained, ents):
    nlp, _ = trained
    before = weights(nlp)
    docs = [Doc(nlp.vocab, words=["Ada", "met", "old", "Grace"], ents=ents)]
    losses = nlp.update(examples_of(nlp, docs), sgd=plain_sgd())
    assert losses["ner"] == 0.0
    assert all((before[name] == value).all() for name, value in weights(nlp).items())


def test_partial_annotation_teaches_what_is_there(untrained):
    partial = Doc(untrained.vocab, words=["Ada", "met", "Grace"], ents=["B-person", "", ""])
    examples = examples_of(untrained, [partial])
    optimizer = untrained.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(8):
        untrained.update(examples, sgd=optimizer)
    assert entities(untrained(without_annotation(partial, untrained.vocab)))[0][:1] == (0,)


def test_losses_are_reported_by_name_also_for_empty_batches(trained):
    nlp, docs = trained
    names = {"ner", *(f"ner.{term}" for term in nlp.get_pipe("ner").losses)}
    losses = nlp.update(examples_of(nlp, [Doc(nlp.vocab)]), losses={})
    assert losses == dict.fromkeys(names, 0.0)
    losses = nlp.update(examples_of(nlp, docs[:2]), losses={})
    assert losses["ner"] == pytest.approx(sum(losses[name] for name in names - {"ner"}))


def test_the_gradient_reaches_the_tok2vec_layer(untrained, annotated_docs):
    examples = examples_of(untrained, annotated_docs(untrained))
    untrained.initialize(lambda: examples)
    ner = untrained.get_pipe("ner")
    embeddings = {node.id: node for node in ner.model.walk() if node.name == "hashembed"}
    before = {key: node.get_param("E").copy() for key, node in embeddings.items()}
    untrained.update(examples, sgd=plain_sgd())
    assert before
    assert all(not np.array_equal(before[key], node.get_param("E")) for key, node in embeddings.items())


def test_the_domain_reaches_the_losses(trained):
    nlp, docs = trained
    seen = []
    ner = nlp.get_pipe("ner")

    class Spy(TagLikelihood):
        def __call__(self, inputs):
            seen.extend(inputs.domains)
            return super().__call__(inputs)

    ner.losses = {"nll": Spy()}
    for doc in docs[:2]:
        set_domain(doc, "past")
    nlp.update(examples_of(nlp, docs[:3]))
    assert seen == ["past", "past", None]


def test_a_frozen_component_annotates_and_does_not_change(trained):
    nlp, docs = trained
    before = weights(nlp)
    nlp.update(examples_of(nlp, docs), sgd=plain_sgd(), exclude=["ner"], annotates=["ner"])
    assert all(torch.equal(before[name], value) for name, value in weights(nlp).items())


def test_training_takes_back_what_was_fitted_to_other_weights(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg.update(temperature=2.0, threshold=1.0)
    assert predict_all(nlp, docs[:1]) == [[]]
    nlp.update(examples_of(nlp, docs), sgd=plain_sgd())
    assert (ner.temperature, ner.cfg["threshold"]) == (1.0, 0.0)


def test_blanks_in_training_teach_nothing(trained):
    nlp, _ = trained
    plain = Doc(nlp.vocab, words=["Ada", "Lovelace", "wrote"], ents=["B-person", "I-person", "O"])
    odd = Doc(
        nlp.vocab,
        words=["\n", "Ada", " ", "Lovelace", "\n\n", "wrote", " "],
        ents=["B-person", "I-person", "I-person", "I-person", "O", "O", "O"],
    )
    head = get_module(nlp.get_pipe("ner").model)
    found = []
    for doc in (plain, odd):
        # No dropout and no draw: the same words, so the same loss and gradient.
        fix_random_seed(0)
        losses = nlp.update(examples_of(nlp, [doc]), sgd=False)
        found.append(
            (
                losses["ner"],
                {name: value.grad.clone() for name, value in head.named_parameters() if value.grad is not None},
            )
        )
        head.zero_grad()
    (loss, gradients), (other_loss, other_gradients) = found
    assert other_loss == pytest.approx(loss, rel=1e-5)
    assert gradients.keys() == other_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(other_gradients[name], gradient, rtol=1e-4, atol=1e-6)


def test_blocked_gold_tokens_are_outside(trained):
    nlp, _ = trained
    words = ["Ada", "met", "old", "Grace"]
    blocked, outside = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words)
    blocked.set_ents([Span(blocked, 3, 4, label="person")], blocked=[blocked[0:1]])
    outside.set_ents([Span(outside, 3, 4, label="person")])
    assert doc_tags(blocked, ("person",)).tolist() == doc_tags(outside, ("person",)).tolist() == [0, 0, 0, 1]
    losses = []
    for gold in (blocked, outside):
        fix_random_seed(0)
        losses.append(nlp.update(examples_of(nlp, [gold]), sgd=False)["ner"])
    assert losses[0] == pytest.approx(losses[1])
