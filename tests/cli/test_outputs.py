"""No command writes over a file that it reads, nor a file of another kind."""

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin

COMMANDS = {
    "annotate text": (["annotate", "MODEL", "lines.jsonl", "--output", "link/lines.jsonl"], "C131"),
    "annotate record": (["annotate", "MODEL", "out.jsonl.json", "--output", "out.jsonl"], "C631"),
    "annotate thesis": (["annotate", "MODEL", "raw.txt", "--output", "thesis.txt"], "C630"),
    "label text": (["label", "MODEL", "raw.txt", "--output", "raw.txt"], "C131"),
    "label docs": (["label", "MODEL", "a.spacy", "--output", "./a.spacy"], "C131"),
    "label excluded": (["label", "MODEL", "raw.txt", "--exclude", "a.spacy", "--output", "link/a.spacy"], "C131"),
    "label thesis": (["label", "MODEL", "raw.txt", "--output", "thesis.txt"], "C133"),
    "label for a tool": (
        ["label", "MODEL", "lines.jsonl", "--uncertain", "1", "--to", "prodigy", "--output", "link/lines.jsonl"],
        "C131",
    ),
    "augment source": (["augment", "a.spacy", "a.spacy", "--output", "a.spacy"], "C131"),
    "augment thesis": (["augment", "a.spacy", "a.spacy", "--output", "thesis.txt"], "C133"),
    "augment listing": (["augment", "a.tsv", "a.spacy", "--output", "a.spacy"], "C131"),
    "evaluate data": (["evaluate", "MODEL", "a.spacy", "--output", "a.spacy"], "C131"),
    "evaluate seen": (["evaluate", "MODEL", "a.spacy", "--drop-seen", "raw.txt", "--output", "raw.txt"], "C131"),
    "evaluate other": (["evaluate", "MODEL", "a.spacy", "--output", "dev.spacy"], "C133"),
    "report data": (["report", "MODEL", "a.spacy", "--output", "a.spacy"], "C131"),
    "report other": (["report", "MODEL", "a.spacy", "--output", "dev.spacy"], "C133"),
    "bootstrap data": (["bootstrap", "MODEL", "MODEL", "a.spacy", "--output", "a.spacy"], "C131"),
    "stats file": (["stats", "raw.txt", "--json", "raw.txt"], "C131"),
    "stats file in a folder": (["stats", ".", "--json", "raw.txt"], "C131"),
    "convert labels": (["convert", "raw.txt", "out.spacy", "-d", "x", "--raw", "--labels-out", "raw.txt"], "C131"),
    "convert labels to docs": (["convert", "raw.txt", "o.spacy", "-d", "x", "--labels-out", "a.spacy"], "C133"),
    "convert itself": (["convert", "text.spacy", "text.spacy", "-d", "x", "--raw"], "C131"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    import spacy

    folder = tmp_path_factory.mktemp("model")
    spacy.blank("en").to_disk(folder)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_inputs_and_files_of_other_kinds_stay(tmp_path, monkeypatch, model, name):
    monkeypatch.chdir(tmp_path)
    for file in ("raw.txt", "thesis.txt", "text.spacy", "lines.jsonl"):
        (tmp_path / file).write_text("Ada met Bob .\n", encoding="utf8")
    docs = [Doc(Vocab(), words=["Ada", "ran"], ents=["B-PER", "O"])]
    for file in ("a.spacy", "a.tsv", "dev.spacy"):
        write_docbin(docs, tmp_path / file)
    (tmp_path / "link").symlink_to(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    arguments, code = COMMANDS[name]
    result = CliRunner().invoke(app, [str(model) if word == "MODEL" else word for word in arguments])
    assert (result.exit_code, f"[{code}]" in result.output) == (1, True), result.output
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
