import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.lang.en import English

from spacy_crossner.data.alignment import TokenizedText, align_spans
from spacy_crossner.data.faults import BAD_JSON, CUTS_TOKEN, EMPTY_LABEL, NO_TEXT, OUT_OF_RANGE, OVERLAP, Faults
from spacy_crossner.data.jsonl import read_jsonl
from spacy_crossner.errors import DataError

TOKENIZER = English().tokenizer

ADA = {"start": 0, "end": 3, "label": "person"}


def read(*records, repair=False):
    faults = Faults("text.jsonl", repair)
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    return list(read_jsonl(list(enumerate(lines, 1)), TOKENIZER, faults)), faults


def test_running_text():
    text = "Ada didn't see New  York."
    spans = [{"start": 15, "end": 24, "label": "location"}, ADA]
    (sentence,), _ = read("", {"text": text, "spans": spans, "meta": {"x": 1}})
    assert sentence.words == ["Ada", "did", "n't", "see", "New", " ", "York", "."]
    assert sentence.spans == [(0, 1, "person"), (4, 7, "location")]
    assert "".join(w + " " * s for w, s in zip(sentence.words, sentence.spaces, strict=True)) == text
    assert sentence.line == 2


def test_own_tokens():
    tokens = [{"text": "Ada", "start": 0, "end": 3, "ws": False}, {"text": "-like", "start": 3, "end": 8, "id": 1}]
    (sentence,), _ = read({"text": "Ada-like", "spans": [ADA], "tokens": tokens})
    assert (sentence.words, sentence.spaces, sentence.spans) == (["Ada", "-like"], [False, False], [(0, 1, "person")])


def test_missing_blanks_of_own_tokens_are_read_off_the_text():
    tokens = [{"text": "Ada", "start": 0, "end": 3}, {"text": "is", "start": 4, "end": 6}]
    (sentence,), _ = read({"text": "Ada is", "tokens": tokens, "spans": []})
    assert sentence.spaces == [True, False]


@pytest.mark.parametrize("spans", [{}, {"spans": []}, {"spans": None}])
def test_no_spans_beside_spans_is_no_entity(spans):
    (sentence, _), faults = read({"text": "Ada left.", **spans}, {"text": "Ada left.", "spans": [ADA]})
    assert (sentence.spans, sentence.unannotated) == ([], ())
    counts = {} if spans.get("spans") == [] else {"records without labels, read as text without an entity": 1}
    assert faults.notes == counts


@pytest.mark.parametrize("spans", [{}, {"spans": None}, {"meta": {"source": "x"}, "tokens": [{"start": 0, "end": 3}]}])
def test_a_file_without_any_labels_is_refused(spans):
    with pytest.raises(DataError, match=r"^\[C140\] text.jsonl, line 1: .*--raw"):
        read({"text": "Ada", **spans}, {"text": "Ada", **spans})


def test_answers():
    records = [
        {"text": f"Ada {i}", "spans": [], "answer": a}
        for i, a in enumerate(["accept", "reject", "ignore", "reject", None])
    ]
    sentences, faults = read(*records, {"text": "Ada 5", "spans": []})
    assert [sentence.words[1] for sentence in sentences] == ["0", "4", "5"]
    assert sorted((what.split()[-1], count) for what, count in faults.notes.items()) == [
        ("'ignore'", 1),
        ("'reject'", 2),
    ]
    assert not faults.repairs


@pytest.mark.parametrize(
    ("record", "code", "found"),
    [
        ("{'text': 1}", "C114", "text that is no JSON (Expecting property name"),
        ("[1]", "C114", "a JSON list"),
        ('{"text": "a\\ud800"}', "C114", "text that is no JSON ('utf-8' codec can't encode"),
        ({"spans": []}, "C115", 'no "text"'),
        ({"text": 7}, "C115", '"text": 7'),
        ({"text": " \n"}, "C115", '"text": '),
        ({"text": "Ada", "spans": [], "tokens": []}, "C116", '"tokens" that do not fit'),
        (
            {"text": "Ada", "spans": [], "tokens": [{"text": "Ad", "start": 0, "end": 2}]},
            "C116",
            '"tokens" that do not fit',
        ),
        (
            {"text": "Ada", "spans": [], "tokens": [{"text": "Bob", "start": 0, "end": 3}]},
            "C116",
            '"tokens" that do not fit',
        ),
        ({"text": "Ada", "spans": [], "tokens": ["Ada"]}, "C116", '"tokens" that do not fit'),
        ({"text": "Ada", "spans": {"start": 0}}, "C116", '"spans": {'),
        ({"text": "Ada", "spans": [7]}, "C116", '"spans": ['),
        ({"text": "Ada", "spans": [{**ADA, "label": ""}]}, "C109", "no label for the span 0-3"),
        ({"text": "Ada", "spans": [{"start": 0, "end": 3}]}, "C109", "no label"),
        ({"text": "Ada", "spans": [{**ADA, "end": 4}]}, "C112", "the span 0-4 (person)"),
        ({"text": "Ada", "spans": [{**ADA, "start": -1}]}, "C112", "the span -1-3"),
        ({"text": "Ada", "spans": [{**ADA, "start": 3}]}, "C112", "the span 3-3"),
        ({"text": "Ada", "spans": [{"label": "x", "end": 3}]}, "C112", "a span with the start None"),
        ({"text": "Ada", "spans": [{**ADA, "start": False}]}, "C112", "a span with the start False"),
        ({"text": "Ada", "spans": [{**ADA, "end": 3.0}]}, "C112", "a span with the start 0 and the end 3.0"),
        ({"text": "a  b", "spans": [{"start": 1, "end": 3, "label": "x"}]}, "C112", "the span 1-3"),
        ({"text": "Adam", "spans": [ADA]}, "C110", "'Ada' (person), at 0-3, where the tokens are 'Adam'"),
        ({"text": "Ada left", "spans": [ADA, {**ADA, "end": 8}]}, "C111", "the span 'Ada' (person) over another"),
    ],
)
def test_errors(record, code, found):
    with pytest.raises(DataError, match=rf"^\[{code}\] text.jsonl, line 2: ") as caught:
        read({"text": "fine", "spans": []}, record)
    assert f"found {found}" in str(caught.value)


def test_repair():
    text = "Adam left New York"
    spans = [
        ADA,  # cuts Adam
        {"start": 14, "end": 18, "label": "city"},  # inside the longer one
        {"start": 10, "end": 18, "label": "location"},
        {"start": 10, "end": 18, "label": "other"},  # as long, but later
        {"start": 2, "end": 40, "label": "x"},
        {"start": 5, "end": 9},
        {"start": "5", "end": 9, "label": "x"},
    ]
    sentences, faults = read("{", {"text": text, "spans": spans}, {"spans": []}, repair=True)
    assert [sentence.spans for sentence in sentences] == [[(0, 1, "person"), (2, 4, "location")]]
    expected = {BAD_JSON: 1, CUTS_TOKEN: 1, OVERLAP: 2, OUT_OF_RANGE: 2, EMPTY_LABEL: 1, NO_TEXT: 1}
    assert faults.repairs == {fault.repair: count for fault, count in expected.items()}


@given(
    words=st.lists(st.sampled_from(["a", "bcd", "ef", "ghijk", "(x", "-", "--"]), min_size=1, max_size=5),
    spans=st.lists(st.tuples(st.integers(-1, 20), st.integers(-1, 20), st.sampled_from("xy")), max_size=4),
)
def test_fitted_spans_against_a_map_of_characters(words, spans):
    """A repaired span is the words of which it holds most, unless it holds a letter of another one."""
    text = " ".join(words)
    owner = [i for i, word in enumerate(words) for _ in f"{word} "][: len(text)]
    edges = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
    offsets = [(start, start + len(word)) for start, word in zip(edges, words, strict=True)]
    covered = []
    for start, end, label in spans:
        held = dict.fromkeys(range(len(words)), "")
        for i in range(start, end) if 0 <= start < end <= len(text) else ():
            held[owner[i]] += text[i].strip()
        most = [i for i, part in held.items() if 2 * len(part) > len(words[i])]
        others = "".join(part for i, part in held.items() if i not in most)
        if most and not any(map(str.isalnum, others)):
            covered.append((len(most), min(most), max(most) + 1, label))
    expected = []
    while covered:
        best = max(covered, key=lambda span: (span[0], -span[1]))
        expected.append(best[1:])
        covered = [span for span in covered if span[2] <= best[1] or span[1] >= best[2]]
    found = align_spans(TokenizedText(text, 1, words, offsets, []), spans, Faults("x", repair=True))
    assert found == sorted(expected)
