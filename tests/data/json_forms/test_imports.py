"""What is written for an annotation tool comes back with the same entities."""

import json
from xml.etree import ElementTree

import pytest

from spacy_crossner.data.json_forms.imports import (
    FORMS,
    SuggestedSpan,
    Suggestion,
    find_form,
    label_studio_interface,
)
from spacy_crossner.errors import CrossnerError


def suggestion(marked, uncertainty=0.25):
    """Make a suggestion of words, of which those with a label are word|label."""
    words = [word.partition("|") for word in marked.split(" ")]
    text = " ".join(word for word, _, _ in words)
    tokens, spans, start = [], [], 0
    for word, _, label in words:
        tokens.append((start, start + len(word)))
        if label:
            spans.append(SuggestedSpan(*tokens[-1], label, 0.5))
        start += len(word) + 1
    return Suggestion(text, tokens, spans, uncertainty)


# Beyond the basic plane: two UTF-16 units. Combining marks, flags and families: several code points.
TEXTS = [
    "Ada|person met Bob|person .",
    "😀 Ada|person 😀 met 👩‍👩‍👧 in Oslo|place .",
    "🇳🇴 Zoe\u0308|person saw E\u0301va|person in A\u030arhus|place .",
    "𝔄da|person wrote 🧮|thing in 東京|place .",
    "Nobody 🤷🏽 came .",
]
SUGGESTIONS = [suggestion(text) for text in TEXTS]
ENTITIES = [
    (each.text, [(each.text[span.start : span.end], span.label) for span in each.spans]) for each in SUGGESTIONS
]


def exported(tool, text):
    """Return the records as the tool exports them when a person has confirmed every suggestion."""
    if tool != "label-studio":
        records = [json.loads(line) for line in text.splitlines()]
        return [{**record, "answer": "accept"} for record in records] if tool == "prodigy" else records
    tasks = json.loads(text)
    for number, task in enumerate(tasks):
        results = [{**result, "origin": "prediction"} for result in task["predictions"][0]["result"]]
        task.update(id=number, annotations=[{"id": number, "was_cancelled": False, "result": results}])
    return tasks


@pytest.mark.parametrize("tool", FORMS)
@pytest.mark.parametrize("chosen", [slice(None), slice(0, 1), slice(1, 2)], ids=["all", "ascii", "emoji"])
def test_a_confirmed_text_has_the_suggested_entities(read, tool, chosen):
    form = FORMS[tool]
    records = exported(tool, form.write(SUGGESTIONS[chosen]))
    assert read(records, f"x{form.suffix}") == ENTITIES[chosen]


@pytest.mark.parametrize("tool", FORMS)
def test_a_text_whose_entities_were_removed_has_none(read, tool):
    first, *others = exported(tool, FORMS[tool].write(SUGGESTIONS))
    if tool == "label-studio":
        first["annotations"][0]["result"] = []
    else:
        first["spans" if tool == "prodigy" else "label"] = []
    assert read([first, *others], f"x{FORMS[tool].suffix}") == [(ENTITIES[0][0], []), *ENTITIES[1:]]


def test_a_prediction_that_nobody_confirmed_is_no_annotation(read):
    tasks = json.loads(FORMS["label-studio"].write(SUGGESTIONS))
    tasks[0]["annotations"] = [{"id": 1, "result": tasks[0]["predictions"][0]["result"]}]
    assert read(tasks) == ENTITIES[:1]


def test_label_studio():
    (task,) = json.loads(FORMS["label-studio"].write(SUGGESTIONS[1:2]))
    assert task["data"] == {"text": SUGGESTIONS[1].text, "uncertainty": 0.25}
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.75
    # Offsets count code points.
    assert prediction["result"][0] == {
        "id": "0-2",
        "type": "labels",
        "from_name": "label",
        "to_name": "text",
        "value": {"start": 2, "end": 5, "text": "Ada", "labels": ["person"]},
        "score": 0.5,
    }


def test_prodigy():
    (task,) = map(json.loads, FORMS["prodigy"].write([suggestion("😀 Ada|person .")]).splitlines())
    assert task == {
        "text": "😀 Ada .",
        "tokens": [
            {"text": "😀", "start": 0, "end": 1, "id": 0, "ws": True},
            {"text": "Ada", "start": 2, "end": 5, "id": 1, "ws": True},
            {"text": ".", "start": 6, "end": 7, "id": 2, "ws": False},
        ],
        "spans": [{"start": 2, "end": 5, "token_start": 1, "token_end": 1, "label": "person", "score": 0.5}],
        "meta": {"uncertainty": 0.25},
    }


def test_doccano_counts_utf16_units():
    (record,) = map(json.loads, FORMS["doccano"].write([suggestion("😀 Ada|person .")]).splitlines())
    assert record == {"text": "😀 Ada .", "label": [[3, 6, "person"]], "scores": [0.5], "uncertainty": 0.25}


def test_an_entity_without_a_score():
    text = Suggestion("Ada", [(0, 3)], [SuggestedSpan(0, 3, "person", None)], 0.1)
    assert "score" not in json.loads(FORMS["prodigy"].write([text]))["spans"][0]
    assert "score" not in json.loads(FORMS["label-studio"].write([text]))[0]["predictions"][0]["result"][0]
    assert json.loads(FORMS["doccano"].write([text]))["scores"] == [None]


def test_the_interface_has_the_names_of_the_tasks():
    view = ElementTree.fromstring(label_studio_interface(["a & b", 'of "c"']))
    labels, text = view.find("Labels"), view.find("Text")
    (result,) = json.loads(FORMS["label-studio"].write([suggestion("Ada|x")]))[0]["predictions"][0]["result"]
    assert (labels.get("name"), labels.get("toName"), text.get("name")) == (
        result["from_name"],
        result["to_name"],
        result["to_name"],
    )
    assert [label.get("value") for label in labels] == ["a & b", 'of "c"']
    assert text.get("value") == "$text"


def test_a_file_has_the_ending_of_its_form(tmp_path):
    assert find_form("doccano", tmp_path / "x.jsonl") is FORMS["doccano"]
    with pytest.raises(CrossnerError, match=r"C661.*'brat'.*label-studio, prodigy, doccano"):
        find_form("brat", tmp_path / "x.jsonl")
    with pytest.raises(CrossnerError, match=r"C662.*x.jsonl.*label-studio.*\.json"):
        find_form("label-studio", tmp_path / "x.jsonl")
