"""Labels of every component: where they come from, what they refuse, how more are added."""

import pytest
import torch
from spacy.tokens import Doc

from spacy_crossner.errors import CrossnerError

from .components import COMPONENTS, entities, examples_of, output_layer, predict_all, weights


def test_uninitialized_says_so(untrained):
    with pytest.raises(ValueError, match="E109"):
        untrained("Ada met Grace.")


def test_no_data_is_said(untrained):
    with pytest.raises(TypeError, match="E930"):
        untrained.initialize(lambda: [])
    ner = untrained.get_pipe("ner")
    ner.add_label("person")
    untrained.initialize()
    assert ner.update([], losses={})["ner"] == 0.0
    assert ner.predict([]) == []
    assert list(untrained.pipe([])) == []


def test_labels_implicit_explicit_and_none(untrained, annotated_docs):
    docs = annotated_docs(untrained)
    untrained.initialize(lambda: examples_of(untrained, docs))
    ner = untrained.get_pipe("ner")
    assert ner.labels == ("person", "place", "thing")
    assert ner.label_data == list(ner.labels)


@pytest.mark.parametrize("labels", [["z", "b"], []])
def test_labels_given_are_taken_in_their_order(untrained, annotated_docs, labels):
    ner = untrained.get_pipe("ner")
    examples = examples_of(untrained, annotated_docs(untrained))
    if labels:
        ner.initialize(lambda: examples, nlp=untrained, labels=labels)
        assert ner.labels == ("z", "b")
    else:
        with pytest.raises(CrossnerError, match="C002"):
            ner.initialize(lambda: examples, nlp=untrained, labels=labels)


def test_an_unknown_label_in_the_gold_data_is_named(trained):
    nlp, _ = trained
    doc = Doc(nlp.vocab, words=["Oslo"], ents=["B-harbour"])
    with pytest.raises(CrossnerError, match="'harbour'"):
        nlp.update(examples_of(nlp, [doc]))


def test_a_second_initialize_starts_anew(trained):
    nlp, docs = trained
    before = output_layer(nlp.get_pipe("ner")).weight.clone()
    nlp.initialize(lambda: examples_of(nlp, docs))
    assert not torch.equal(before, output_layer(nlp.get_pipe("ner")).weight)
    assert nlp.get_pipe("ner").labels == ("person", "place", "thing")


def test_labels_grow_and_the_old_ones_keep_their_weights(trained):
    nlp, docs = trained
    before = weights(nlp)
    ner = nlp.get_pipe("ner")
    assert ner.add_label("harbour") == 1
    assert ner.add_label("harbour") == 0
    after = weights(nlp)
    for name, value in before.items():
        grown = after[name]
        assert torch.equal(grown[tuple(slice(0, size) for size in value.shape)], value), name
    new = Doc(nlp.vocab, words=["Bergen", "is", "wet"], ents=["B-harbour", "O", "O"])
    examples = examples_of(nlp, [*docs, new])
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(25):
        nlp.update(examples, sgd=optimizer)
    assert predict_all(nlp, [*docs, new]) == [entities(doc) for doc in [*docs, new]]


def test_analysis_knows_what_is_assigned(component, untrained):
    analysis = untrained.analyze_pipes()
    assert "doc.ents" in analysis["summary"]["ner"]["assigns"]
    factory, _ = COMPONENTS[component]
    assert untrained.get_factory_meta(factory).default_score_weights["ents_f"] == 1.0
