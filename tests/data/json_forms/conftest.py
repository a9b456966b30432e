"""Fixtures for tests of JSON forms: a file with a content, converted and read back."""

import json

import pytest
from spacy.vocab import Vocab

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin


@pytest.fixture
def read(tmp_path):
    """Return a function that converts records and returns text and entities of each doc, and what was noted."""

    def read(records, name="x.json", **options):
        lines = name.endswith(".jsonl")
        content = "".join(json.dumps(record) + "\n" for record in records) if lines else json.dumps(records)
        (tmp_path / name).write_text(content, encoding="utf8")
        result = convert(tmp_path / name, tmp_path / "x.spacy", "news", **options)
        read.docs = read_docbin(tmp_path / "x.spacy", Vocab())
        read.faults = result.files[0].source.faults
        return [(doc.text.strip(), [(ent.text.strip(), ent.label_) for ent in doc.ents]) for doc in read.docs]

    read.folder = tmp_path
    return read
