"""Entities that an earlier component has set, and how tags become entities."""

import numpy as np
import pytest
import torch
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.annotations.tags import label_tags, tags_to_spans
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.head import Decoding
from spacy_crossner.errors import CrossnerError

from .components import entities, examples_of, make_pipeline


@pytest.mark.parametrize("label", ["engine", "place"])
@pytest.mark.parametrize("preset_ents", ["constrain", "keep", "overwrite"])
def test_entities_set_before(trained, preset_ents, label):
    nlp, docs = trained
    first = docs[0]
    ner = nlp.get_pipe("ner")
    ner.preset_ents = preset_ents
    assert entities(first)[0] == (0, 2, "person")
    doc = without_annotation(first, nlp.vocab)
    doc.ents = [Span(doc, 0, 1, label=label, kb_id="Q1")]
    found = entities(nlp(doc))
    if preset_ents == "overwrite":
        assert found == entities(first)
        return
    assert doc.ents[0].kb_id_ == "Q1"
    assert doc.ents[0]._.score == 1.0
    assert found[0] == (0, 1, label)
    assert [span for span in found if span[0] > 1] == entities(first)[1:]
    if preset_ents == "keep":
        assert found == [(0, 1, label), *entities(first)[1:]]
    else:
        # Not made longer: what follows is O or begins anew.
        assert set(found) - {(0, 1, label), *entities(first)} <= {(1, 2, name) for name in ner.labels}


def test_preset_entities_are_the_constraints_of_the_best_path(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    doc = without_annotation(docs[0], nlp.vocab)
    output = ner.model.predict([doc])
    doc.ents = [Span(doc, 1, 3, label="place")]
    # By hand: nothing else there, and no I-place behind.
    begin, inside = (label_tags(ner.labels).index(tag) for tag in ("B-place", "I-place"))
    allowed = torch.ones_like(output.emissions, dtype=torch.bool)
    allowed[0, 1:3] = False
    allowed[0, 1, begin] = allowed[0, 2, inside] = True
    allowed[0, 3, inside] = False
    path = get_module(ner.model).decode(output, Decoding(allowed=allowed))
    expected = tags_to_spans(path.numpy(), np.array([len(doc)]))[:, 1:]
    assert entities(nlp(doc)) == [(start, end, ner.labels[label]) for start, end, label in expected.tolist()]


def test_blocked_tokens_stay_blocked(trained):
    nlp, docs = trained
    doc = without_annotation(docs[0], nlp.vocab)
    doc.set_ents([], blocked=[doc[0:1]], default="missing")
    doc = nlp(doc)
    assert all(ent.start != 0 for ent in doc.ents)
    assert (doc[0].ent_iob, doc[0].ent_type) == (3, 0)


def test_an_equal_entity_that_is_kept_is_certain(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.preset_ents, ner.candidates_key = "keep", "maybe"
    ner.cfg["temperature"] = 5.0
    start, end, label = entities(docs[0])[0]
    doc = without_annotation(docs[0], nlp.vocab)
    doc.ents = [Span(doc, start, end, label=label)]
    doc = nlp(doc)
    assert entities(doc)[0] == (start, end, label)
    assert doc.ents[0]._.score == 1.0
    assert max(doc.spans["maybe"].attrs["scores"]) == doc.spans["maybe"].attrs["scores"][0] == 1.0


def test_a_score_from_json_stays_beside_runners_up(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.preset_ents, ner.candidates_key, ner.candidates_floor = "keep", "maybe", 1e-9
    doc = without_annotation(docs[0], nlp.vocab)
    doc.ents = [Span(doc, 0, 2, label="thing")]
    doc[0:2]._.score = 0.25
    doc = nlp(doc)
    assert (doc.ents[0].label_, doc.ents[0]._.score) == ("thing", 0.25)


def test_a_decoding_that_is_not_known_is_refused(component):
    with pytest.raises(CrossnerError, match="C004"):
        make_pipeline(component, decoding="loose")


@pytest.mark.parametrize(("decoding", "expected"), [("lenient", [(1, 2, "person")]), ("strict", [])])
def test_an_inside_tag_that_nothing_opens(component, decoding, expected, monkeypatch):
    nlp = make_pipeline(component, decoding=decoding)
    ner = nlp.get_pipe("ner")
    ner.initialize(lambda: examples_of(nlp, [Doc(nlp.vocab, words=["so"])]), nlp=nlp, labels=["person"])
    doc = Doc(nlp.vocab, words=["so", "Ada"])
    answer = torch.tensor([[0, 2]]), torch.ones(1, 2, dtype=torch.float64)
    monkeypatch.setattr(get_module(ner.model), "decode_spans", lambda output, decoding: answer)
    nlp(doc)
    assert entities(doc) == expected
    assert doc.user_data["ner_tags"] == ["O", "I-person"]


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"preset_ents": "shift"}, "C018"), ({"threshold": 2.0}, "C019"), ({"window": 8, "overlap": 8}, "C019")],
)
def test_a_setting_out_of_range_is_refused(component, settings, code):
    with pytest.raises(CrossnerError, match=code):
        make_pipeline(component, **settings)
