import json

import pytest
import spacy
from spacy.lang.en import English

from spacy_crossner.data.faults import Faults
from spacy_crossner.data.jsonl import read_jsonl
from spacy_crossner.errors import DataError

TOKENIZER = English().tokenizer
RECORD = {"text": "Ada left.", "spans": [{"start": 0, "end": 3, "label": "PER"}]}


def read(text, repair=False):
    faults = Faults("x.json", repair)
    sentences = read_jsonl(list(enumerate(text.split("\n"), 1)), TOKENIZER, faults)
    return [(sentence.line, sentence.words[0], sentence.spans) for sentence in sentences], faults


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (json.dumps(RECORD), [1]),
        (json.dumps(RECORD, indent=2), [1]),
        (f"\n{json.dumps(RECORD)}\n\n{json.dumps(RECORD)}\n", [2, 4]),
        (json.dumps([RECORD, RECORD]), [1, 2]),
        (json.dumps([RECORD, RECORD], indent=2), [1, 2]),
        (json.dumps({"data": [RECORD, RECORD]}), [1, 2]),
        (json.dumps(["Ada left.", {"entities": [[0, 3, "PER"]]}]), [1]),
    ],
)
def test_lists_and_lines(text, lines):
    assert read(text)[0] == [(line, "Ada", [(0, 1, "PER")]) for line in lines]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{json.dumps(RECORD)}\n{{", r"C114.*line 2: found text that is no JSON"),
        (f"[\n{json.dumps(RECORD)},\n{{]", r"C114.*line 3: found text that is no JSON"),
        (json.dumps([RECORD, 7]), r"C114.*record 2: found a JSON int"),
        (json.dumps([RECORD, None]), r"C114.*record 2: found a JSON null"),
        ('{"text": "Ada", "spans": [], "spans": [1]}', r"C114.*line 1: .*the key 'spans' with two values"),
        ('{"text": "Ada", "spans": [' + "9" * 5000 + "]}", r"C114.*line 1"),
        ('{"text": "Ada \\ud83d", "spans": []}', r"C114.*line 1: .*surrogates"),
        ("[" * 100_000, r"C114.*line 1"),
        ('{"text": "Ada", "spans": ' + "[" * 900 + "]" * 900 + "}", r"C116.*line 1"),
        (json.dumps({"train": [RECORD], "test": [RECORD]}), r"C115.*line 1: .*keys: 'train', 'test'"),
    ],
)
def test_what_is_no_record(text, message):
    with pytest.raises(DataError, match=message):
        read(text)


def test_a_key_twice_with_one_value_is_read():
    text = '{"id": 1, "id": 1, "text": "Ada left.", "spans": []}'
    assert read(text)[0] == [(1, "Ada", [])]


def test_a_broken_list_is_not_mended():
    """A last record without its comma would be all that is left of it."""
    with pytest.raises(DataError, match=r"C114.*line 3"):
        read(f"[\n{json.dumps(RECORD)}\n{json.dumps(RECORD)},\n{json.dumps(RECORD)}\n]", repair=True)


def test_what_spacy_itself_writes():
    nlp = spacy.blank("en")
    doc = nlp("Ada left  New York.\nToday")
    doc.set_ents([doc.char_span(0, 3, label="PER"), doc.char_span(10, 18, label="LOC")])
    (sentence,) = read_jsonl([(1, json.dumps(doc.to_json()))], TOKENIZER, Faults("x.jsonl"))
    assert sentence.words == [token.text for token in doc]
    assert "".join(word + " " * blank for word, blank in zip(sentence.words, sentence.spaces, strict=True)) == doc.text
    assert sentence.spans == [(0, 1, "PER"), (3, 5, "LOC")]
