"""Pipelines of earlier versions load and predict the same, whatever room their code has moved to since.

`saved_before/pipeline` was saved when the code lay in rooms by layer (`pipeline`, `models`, `losses`), in format 1.
It has a component of every kind, trained on `annotated_docs`; `predictions.json` holds their predictions of that day.
"""

import json
from pathlib import Path

import pytest
import spacy

from spacy_crossner.annotations.domains import set_domain

SAVED = Path(__file__).with_name("saved_before")
WANTED = json.loads((SAVED / "predictions.json").read_text(encoding="utf8"))


# The pipeline's encoder is a layer on spacy-transformers.
pytestmark = pytest.mark.spacy_trf


@pytest.fixture(scope="module")
def saved():
    return spacy.load(SAVED / "pipeline")


def rows(spans, scores):
    """Return spans in the order of the text: of equal scores the last digit decides which comes first."""
    found = zip(spans, scores, strict=True)
    return sorted([span.start, span.end, span.label_, score] for span, score in found)


@pytest.mark.parametrize("name", WANTED["found"])
def test_a_pipeline_saved_before_predicts_the_same(saved, name):
    for i, (text, wanted) in enumerate(zip(WANTED["texts"], WANTED["found"][name], strict=True)):
        doc = saved.make_doc(text)
        set_domain(doc, "ab"[i % 2])
        saved.get_pipe("transformer")(doc)
        saved.get_pipe(name)(doc)
        group = doc.spans[name]
        found = {
            "ents": rows(doc.ents, [ent._.score for ent in doc.ents]),
            "candidates": rows(group, group.attrs["scores"]),
        }
        for key, expected in wanted.items():
            assert [row[:3] for row in found[key]] == [row[:3] for row in sorted(expected)]
            assert [row[3] for row in found[key]] == pytest.approx([row[3] for row in sorted(expected)], abs=1e-4)


def test_every_component_found_something():
    assert all(sum(len(doc["ents"]) for doc in docs) > 20 for docs in WANTED["found"].values())
