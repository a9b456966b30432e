"""Any file ends in a DocBin or in a message: no traceback, no half-written file, no word lost.

`make fuzz` tries 10,000 files.
"""

import re
import unicodedata

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.faults import EMPTY_TOKEN
from spacy_crossner.data.reading import Format
from spacy_crossner.data.schemes import Scheme
from spacy_crossner.errors import CrossnerError

from .strategies import FORMATS, broken, bytes_of_any_kind


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give the folder in which every file is tried, in turn."""
    return tmp_path_factory.mktemp("fuzz")


def try_file(folder, file):
    """Convert a file by the function and by the command; return what the function did, and the DocBin's docs."""
    for path in folder.iterdir():
        path.unlink()
    source, output = folder / file.name, folder / "out.spacy"
    source.write_bytes(file.content)
    made = {"format": Format, "scheme": Scheme}
    options = {name: made[name](value) if name in made else value for name, value in file.options.items()}
    try:
        result = convert(source, output, "news", **options)
        message = ""
    except CrossnerError as error:
        result, message = None, str(error)
    assert result or re.fullmatch(r"\[C1\d\d\] [^\n]+\.", message), message
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([file.name, *(["out.spacy"] if result else [])])
    arguments = ["convert", str(source), str(folder / "cli.spacy"), "-d", "news"]
    for name, value in file.options.items():
        arguments += [f"--{name}", *([] if value is True else [str(value)])] if value is not False else []
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == (0 if result else 1)
    assert run.exception is None or isinstance(run.exception, SystemExit)
    assert "Traceback" not in run.output
    if result is None:
        assert sorted(path.name for path in folder.iterdir()) == names
        return None, []
    assert (folder / "cli.spacy").read_bytes() == output.read_bytes()
    docs = read_docbin(output, Vocab())
    (converted,) = result.files
    assert (converted.sentences, converted.tokens) == (len(docs), sum(map(len, docs)))
    assert converted.entities.total() == sum(len(doc.ents) for doc in docs)
    return converted, docs


def count_rows(text):
    """Count the lines that show something and are neither markers of documents nor empty rows of CSV."""
    shown = [line for line in text.split("\n") if any(unicodedata.category(c) not in ("Cf", "Zs", "Cc") for c in line)]
    skipped = re.compile(r"[\d\s,;\"\ufeff]*-+docstart-+|[,; \t\"\r]*$", re.IGNORECASE)
    return sum(not skipped.match(line) for line in shown)


def letters(text):
    """Return what a text shows, without its blanks."""
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


@given(file=st.one_of(broken(), bytes_of_any_kind(), *FORMATS.values()))
def test_a_file_ends_in_a_docbin_or_a_message(folder, file):
    converted, docs = try_file(folder, file)
    event("read" if converted else "refused")
    if file.words is not None:
        assert converted is not None
        assert sum(map(len, docs)) == file.words
    if file.entities is not None:
        assert sum(len(doc.ents) for doc in docs) == file.entities
    text = file.content.decode("utf-8", errors="ignore")
    if converted and converted.source.format is None and text.encode() == file.content:
        assert letters("".join(doc.text for doc in docs)) == letters(text)
    if converted and converted.source.rows and text.encode() == file.content and "\r" not in text:
        faults = converted.source.faults
        left_out = sum(count for what, count in faults.notes.items() if what.endswith("left out"))
        assert sum(map(len, docs)) + left_out + faults.repairs[EMPTY_TOKEN.repair] == count_rows(text)
