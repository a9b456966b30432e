"""Broken JSON of every form through `convert`: it is read, or refused by an error of ours, and nothing half-written."""

import copy
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.vocab import Vocab

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.stats import stats
from spacy_crossner.errors import CrossnerError

TEXT = "Ada \U0001f600 left Oslo."
ADA = {"start": 0, "end": 3, "label": "PER"}
OSLO = {"start": 11, "end": 15, "label": "LOC"}
WORDS = {"tokens": ["Ada", "left", "Oslo"], "ner_tags": ["B-PER", "O", "B-LOC"]}
TOKENS = [{"id": i, "start": a, "end": b} for i, (a, b) in enumerate([(0, 3), (4, 5), (6, 10), (11, 15), (15, 16)])]
RESULT = [
    {"value": {**span, "text": words, "labels": ["X"]}, "to_name": "text", "from_name": "label", "type": "labels"}
    for span, words in ((ADA, "Ada"), (OSLO, "Oslo"))
]
ROWS = [{"id": 0, "orth": "Ada", "ner": "U-PER"}, {"id": 1, "orth": "left", "ner": "-"}]
FORMS = [
    [{"text": TEXT, "spans": [ADA, OSLO], "tokens": TOKENS, "answer": "accept"}],
    [{"text": TEXT, "spans": [span], "answer": "accept", "_view_id": "ner", "_input_hash": 1} for span in (ADA, OSLO)],
    [{"text": TEXT, "label": [[0, 3, "PER"], [11, 15, "LOC"]]}, {"text": "No.", "label": []}],
    [{"text": TEXT, "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 3}], "relations": []}],
    [{"text": TEXT, "annotations": [{"label": 3, "start_offset": 0, "end_offset": 3, "user": 1}]}],
    [{"data": {"text": TEXT}, "annotations": [{"result": RESULT, "ground_truth": True}], "predictions": []}],
    [{"id": 1, "text": TEXT, "label": [{**ADA, "text": "Ada", "labels": ["PER"]}], "annotator": 1}],
    [WORDS, {**WORDS, "ner_tags": [1, 0, 2], "label_names": ["O", "B-PER", "B-LOC"]}],
    [[TEXT, {"entities": [[0, 3, "PER"]]}], [TEXT, {"entities": [[11, 15, "LOC"]]}]],
    {"classes": ["PER"], "annotations": [[TEXT, {"entities": [[0, 3, "PER"]]}], None]},
    [{"id": 0, "paragraphs": [{"raw": "Ada left", "sentences": [{"tokens": ROWS}]}]}],
    [{"text": TEXT, "ents": [ADA], "tokens": TOKENS, "spans": {"sc": [OSLO]}, "title": None}],
]
ANN = "T1\tPER 0 3\tAda\nT2\tLOC 11 13;13 15\tOs lo\nT3\tLOC 11 15\tOslo\nR1\tIn Arg1:T1 Arg2:T2\n"

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 20),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["", " ", "\u200b", "\ud83d", "O", "B-PER", "-", "accept", "labels", TEXT, "Ada"]),
)
KEYS = [
    *["text", "spans", "tokens", "label", "labels", "entities", "annotations", "data", "result", "value", "start"],
    *["end", "ents", "paragraphs", "sentences", "orth", "ner", "ner_tags", "words", "answer", "_view_id", "type"],
    *["label_names", "id2label", "features", "names", "to_name", "token_start", "cats", "completions", "_is_binary"],
]
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(KEYS), below, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    """Yield the path to each value below another."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*path, key)
        yield from places(below, (*path, key))


@st.composite
def mutations(draw):
    """Return the records of a form with up to three of their values changed, taken away or doubled."""
    records = copy.deepcopy(draw(st.sampled_from(FORMS)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(list(places(records)) or [()]))
        if not path:
            break
        holder = records
        for key in path[:-1]:
            holder = holder[key]
        key = path[-1]
        match draw(st.sampled_from(["change", "change", "remove", "double", "rename", "elsewhere"])):
            case "change":
                holder[key] = draw(VALUES)
            case "remove":
                del holder[key]
            case "double" if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = holder.pop(key)
            case "elsewhere" if isinstance(holder, dict):
                holder[draw(st.sampled_from(KEYS))] = copy.deepcopy(holder[key])
    return records


def is_read_or_refused(folder, source, **options):
    """Convert, and say whether there is a file; there is one with something in it, or none and an error of ours."""
    output = folder / "x.spacy"
    before = sorted(folder.rglob("*"))
    try:
        result = convert(source, output, "news", **options)
    except CrossnerError:
        assert sorted(folder.rglob("*")) == before
        return False
    docs = read_docbin(output, Vocab())
    assert len(docs) == result.files[0].sentences > 0
    assert sum(len(doc.ents) for doc in docs) == result.files[0].entities.total()
    for doc in docs:
        for ent in doc.ents:
            assert ent.label_
            assert ent.text.strip()
    return True


def is_counted_or_refused(source):
    try:
        stats([source])
    except CrossnerError:
        return False
    return True


# Files and a DocBin an example: slower than the deadline where other tests run beside it.
@settings(deadline=None)
@given(records=mutations(), lines=st.booleans(), repair=st.booleans(), raw=st.booleans(), indent=st.none() | st.just(1))
def test_changed_values(records, lines, repair, raw, indent):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if lines and isinstance(records, list):
            content = "\n".join(map(json.dumps, records))
        else:
            content = json.dumps(records, indent=indent)
        source = folder / ("x.jsonl" if lines else "x.json")
        source.write_text(content, encoding="utf8")
        is_read_or_refused(folder, source, repair=repair, raw=raw)
        is_counted_or_refused(source)


@settings(deadline=None)
@given(
    records=st.sampled_from(FORMS),
    cuts=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 9), st.text(max_size=4)), max_size=3),
    repair=st.booleans(),
)
def test_changed_characters(records, cuts, repair):
    content = json.dumps(records)
    for place, length, inserted in cuts:
        content = content[:place] + inserted + content[place + length :]
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "x.json"
        source.write_text(content, encoding="utf8", errors="replace")
        is_read_or_refused(Path(name), source, repair=repair)
        is_counted_or_refused(source)


@settings(deadline=None)
@given(
    text=st.sampled_from([TEXT, TEXT.replace(" ", "\r\n"), ""]) | st.text(max_size=30),
    cuts=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9), st.text(max_size=4)), max_size=3),
    repair=st.booleans(),
)
def test_changed_standoff(text, cuts, repair):
    content = ANN
    for place, length, inserted in cuts:
        content = content[:place] + inserted + content[place + length :]
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "x.txt").write_bytes(text.encode("utf8", "replace"))
        (Path(name) / "x.ann").write_bytes(content.encode("utf8", "replace"))
        is_read_or_refused(Path(name), Path(name) / "x.txt", repair=repair)
        is_counted_or_refused(Path(name))


@pytest.mark.parametrize("records", FORMS)
def test_the_forms_themselves_are_read(records, tmp_path):
    (tmp_path / "label_config.json").write_text('[{"id": 3, "text": "PER"}]', encoding="utf8")
    (tmp_path / "x.json").write_text(json.dumps(records), encoding="utf8")
    assert is_read_or_refused(tmp_path, tmp_path / "x.json")
    assert sum(len(doc.ents) for doc in read_docbin(tmp_path / "x.spacy", Vocab())) > 0
    assert is_counted_or_refused(tmp_path / "x.json")


SPANS = '[{"start": 0, "end": 3, "label": "PER"}]'


@pytest.mark.parametrize(
    "line",
    [
        '{"text": "Ada left", "spans": ' + "[" * 5000 + "]" * 5000 + "}",
        '{"text": "Ada left", "spans": ' + "[" * 400 + "]" * 400 + "}",
        '{"text": "Ada left", "meta": ' + '{"a":' * 400 + "1" + "}" * 400 + ', "spans": ' + SPANS + "}",
        '{"text": "Ada left", "spans": [{"start": ' + "9" * 4000 + ', "end": 3, "label": "PER"}]}',
        '{"text": "Ada left", "spans": [{"start": ' + "9" * 9000 + ', "end": 3, "label": "PER"}]}',
        '{"text": "Ada left", "spans": [{"start": NaN, "end": Infinity, "label": "PER"}]}',
        '{"text": "Ada left", "spans": [{"start": 0.0, "end": 3.0, "label": "PER"}]}',
        '{"text": "Ada left", "spans": [{"start": false, "end": true, "label": "PER"}]}',
        '{"text": "Ada \\ud83d left", "spans": ' + SPANS + "}",
        '{"text": null, "spans": ' + SPANS + "}",
        '{"text": "Ada left", "text": "Bob left", "spans": ' + SPANS + "}",
        '{"text": "Ada left", "spans": ' + SPANS + ', "spans": []}',
        '{"tokens": ["Ada"], "ner_tags": [' + "9" * 4000 + "]}",
        '{"text": "Ada left", "annotations": [{"label": ' + "9" * 4000 + ', "start_offset": 0, "end_offset": 3}]}',
        '[["Ada left", {"entities": [[0, 3, null]]}]]',
        "\ufeff\x00",
        "null",
    ],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_what_json_allows_and_nobody_means(line, name, tmp_path):
    (tmp_path / name).write_text(line, encoding="utf8")
    read = is_read_or_refused(tmp_path, tmp_path / name)
    assert read == ('"meta"' in line)
    is_read_or_refused(tmp_path, tmp_path / name, repair=True)
    is_counted_or_refused(tmp_path / name)
