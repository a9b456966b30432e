"""`annotate` says what it has done, keeps a finished output, and is alone with its output."""

import json

from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.storage.locks import only_writer


def call(good, tmp_path, *options):
    words = ["annotate", str(good / "model"), str(good / "text.txt"), "--output", str(tmp_path / "out.jsonl"), *options]
    result = CliRunner().invoke(app, words)
    return result.exit_code, " ".join(result.output.split())


def test_the_counts_are_said_and_a_finished_output_is_kept(good, tmp_path):
    code, said = call(good, tmp_path)
    counts = json.loads((tmp_path / "out.jsonl.json").read_text())
    assert code == 0
    n_entities = sum(counts["entities"].values())
    assert f"49 texts, {counts['words']:,} words, {n_entities} entities;" in said
    assert "words per second" in said
    code, said = call(good, tmp_path)
    assert code == 0
    assert "up to date" in said


def test_bad_texts_are_said(good, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "Ada"}\n{"no": 1}\n')
    code, said = call(good, tmp_path, str(bad))
    assert code == 0
    assert "1 texts have an error" in said
    assert "bad.jsonl, line 2" in said.replace("- ", "-")


def test_two_at_once_are_refused(good, tmp_path):
    with only_writer(tmp_path / "out.jsonl"):
        code, said = call(good, tmp_path)
    assert code == 1
    assert "C068" in said
    assert not list(tmp_path.iterdir())
