"""The uncertainty of a sentence: values by hand, and the pipelines that have one."""

import math

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.scores import get_score, set_score
from spacy_crossner.errors import CrossnerError
from spacy_crossner.silver.uncertainty import UncertainPipeline, score_uncertainty, tag_uncertainty


def test_it_is_the_mean_entropy_of_the_three_most_unsure_tokens():
    even, half, sure = [0.25] * 4, [0.5, 0.5, 0, 0], [1.0, 0, 0, 0]
    # Entropies over log 4: 1, 1/2 and 0.
    assert tag_uncertainty(np.array([sure, half, sure, even, sure])) == pytest.approx(0.5)
    assert tag_uncertainty(np.array([even] * 7)) == 1
    assert tag_uncertainty(np.array([half])) == 0.5
    assert tag_uncertainty(np.array([sure] * 2)) == 0


@pytest.mark.parametrize("shape", [(0, 5), (3, 1)])
def test_without_words_or_without_labels_nothing_is_unsure(shape):
    assert tag_uncertainty(np.ones(shape)) == 0


def test_of_scores_it_is_the_mean_of_the_three_most_ambiguous():
    quarter = -0.25 * math.log2(0.25) - 0.75 * math.log2(0.75)
    assert score_uncertainty([0.75]) == pytest.approx(quarter, abs=1e-4)
    # A score below one half is as unsure as one half.
    assert score_uncertainty([1.0, 0.2, 0.75, 0.5, 0.99]) == pytest.approx((2 + quarter) / 3, abs=1e-4)
    assert score_uncertainty([]) == 0
    assert score_uncertainty([1.0]) == 0


def texts(nlp):
    return [nlp.make_doc(text) for text in ("Ada met Konrad in Berlin", "", "Nobody came .", "A letter from Oslo")]


def test_a_component_gives_it_by_its_tags_and_annotates(teachers):
    nlp = spacy.load(teachers[0])
    docs = texts(nlp)
    found = UncertainPipeline(nlp).annotate(docs)
    expected = list(nlp.pipe(texts(nlp)))
    for doc, other, value in zip(docs, expected, found, strict=True):
        assert [(ent.text, ent.label_) for ent in doc.ents] == [(ent.text, ent.label_) for ent in other.ents]
        assert [get_score(ent) for ent in doc.ents] == pytest.approx([get_score(ent) for ent in other.ents])
        (of_doc,) = nlp.get_pipe("ner").tag_probabilities([nlp.make_doc(doc.text)])
        assert value == pytest.approx(tag_uncertainty(of_doc), abs=2e-4)
    assert any(doc.ents for doc in docs)
    assert found[1] == 0


def test_components_after_it_are_run_too(teachers):
    nlp = spacy.load(teachers[0])
    nlp.add_pipe("entity_ruler", config={"overwrite_ents": True}).add_patterns([{"label": "x", "pattern": "letter"}])
    docs = texts(nlp)
    pipeline = UncertainPipeline(nlp)
    values = pipeline.annotate(docs)
    assert ("letter", "x") in [(ent.text, ent.label_) for ent in docs[3].ents]
    assert pipeline.labels == {"person", "place", "thing", "x"}
    assert values == UncertainPipeline(spacy.load(teachers[0])).annotate(texts(nlp))


@spacy.Language.component("test_uncertainty_names")
def tag_names(doc):
    for token in doc:
        if token.text in ("Ada", "Z3"):
            doc.ents = [*doc.ents, Span(doc, token.i, token.i + 1, label="name")]
        if token.text == "Ada":
            set_score(doc.ents[-1], 0.5)
    return doc


def test_another_pipeline_gives_it_by_its_scores():
    nlp = spacy.blank("en")
    nlp.add_pipe("test_uncertainty_names")
    pipeline = UncertainPipeline(nlp)
    assert pipeline.annotate([nlp.make_doc("Nobody came")]) == [0]
    with pytest.raises(CrossnerError, match=r"C664.*test_uncertainty_names"):
        pipeline.check()
    assert pipeline.annotate([nlp.make_doc("Ada came"), Doc(nlp.vocab)]) == [1, 0]
    pipeline.check()
    with pytest.raises(CrossnerError, match=r"C052.*'Z3'"):
        pipeline.annotate([nlp.make_doc("Z3 came")])
