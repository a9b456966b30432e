"""The score of an entity of every component, the threshold, runners-up."""

import json

import pytest
import torch
from spacy.tokens import Doc

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.head import Decoding

from .components import entities


def test_every_entity_has_a_score(trained):
    nlp, docs = trained
    for doc in nlp.pipe([without_annotation(doc, nlp.vocab) for doc in docs]):
        assert all(0.5 < ent._.score <= 1 for ent in doc.ents)
        loaded = Doc(nlp.vocab).from_bytes(doc.to_bytes())
        assert [ent._.score for ent in loaded.ents] == [ent._.score for ent in doc.ents]
        for ent in doc.ents:
            assert doc[ent.start :].as_doc(copy_user_data=True).ents[0]._.score == ent._.score
    assert doc[1:2]._.score is None


def test_the_score_is_the_probability_of_the_span(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    doc = nlp(without_annotation(docs[1], nlp.vocab))
    (ent,) = doc.ents
    head = get_module(ner.model)
    output = ner.model.predict([doc])
    spans = torch.tensor([[0, ent.start, ent.end, ner.labels.index(ent.label_)]])
    assert ent._.score == pytest.approx(head.span_probabilities(output, spans, Decoding(temperature=3.0)).item())
    assert ent._.score < head.span_probabilities(output, spans, Decoding()).item()


def test_entities_below_the_threshold_are_dropped(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    doc = nlp(without_annotation(docs[7], nlp.vocab))
    scores = sorted(ent._.score for ent in doc.ents)
    assert len(scores) == 2
    ner.threshold = (scores[0] + scores[1]) / 2
    assert [ent._.score for ent in nlp(without_annotation(docs[7], nlp.vocab)).ents] == scores[1:]


def test_runners_up_come_in_a_spans_group(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 5.0
    ner.candidates_key, ner.candidates_floor = "maybe", 0.02
    doc = nlp(without_annotation(docs[0], nlp.vocab))
    group = doc.spans["maybe"]
    scores = [span._.score for span in group]
    assert scores == group.attrs["scores"] == sorted(scores, reverse=True)
    assert min(scores) >= 0.02
    found = {(span.start, span.end, span.label_) for span in group}
    assert len(found) == len(group) > len(doc.ents)
    assert found >= set(entities(doc))
    every = [(s, e, label) for s in range(len(doc)) for e in range(s + 1, len(doc) + 1) for label in range(3)]
    output = ner.model.predict([doc])
    rows = torch.tensor([(0, *span) for span in every])
    values = get_module(ner.model).span_probabilities(output, rows, Decoding(temperature=5.0)).tolist()
    assert found == {(s, e, ner.labels[k]) for (s, e, k), value in zip(every, values, strict=True) if value >= 0.02}


def test_docs_go_to_json_and_back(trained):
    nlp, docs = trained
    doc = nlp(without_annotation(docs[0], nlp.vocab))
    doc._.domain = "history"
    saved = json.loads(json.dumps(doc.to_json(underscore=["score", "domain"])))
    loaded = Doc(nlp.vocab).from_json(saved)
    assert [(e.text, e.label_, e._.score) for e in loaded.ents] == [(e.text, e.label_, e._.score) for e in doc.ents]
    assert all(isinstance(row["value"], float) for row in saved["underscore_span"]["score"])
    assert loaded._.domain == "history"
    joined = Doc.from_docs([nlp("Grace Hopper met Ada."), doc])
    assert [ent._.score for ent in joined.ents][-len(doc.ents) :] == [ent._.score for ent in doc.ents]
