import json

import pytest
import spacy
from spacy.tokens import Doc
from thinc.compat import has_torch_cuda_gpu
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin


@pytest.fixture
def folder(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "person", "pattern": "Ada"}])
    nlp.to_disk(tmp_path / "model")
    sentences = {
        "test": [(["Ada", "sleeps"], ["B-person", "O"]), (["Bob", "left"], ["B-person", "O"])],
        "train": [(["Bob", "left"], ["B-person", "O"])],
        "unlabelled": [(["Ada", "sleeps"], None)],
    }
    for name, docs in sentences.items():
        write_docbin([Doc(nlp.vocab, words=words, ents=ents) for words, ents in docs], tmp_path / f"{name}.spacy")
    (tmp_path / "test.txt").write_text("Ada O\n", encoding="utf8")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def test_table_and_json(folder):
    output = folder / "metrics.json"
    result = run(folder / "model", folder / "test.spacy", "--output", output, "--batch-size", 3)
    assert result.exit_code == 0, result.output
    assert ["strict", "100.00", "50.00", "66.67", "2"] in [line.split() for line in result.output.splitlines()]
    assert "conlleval over one concatenated sequence" in result.output
    scores = json.loads(output.read_text(encoding="utf8"))
    assert (scores["strict"]["r"], scores["conlleval"]["r"], scores["batch_size"]) == (0.5, 0.5, 3)


def test_drop_seen(folder):
    seen = ["--drop-seen", folder / "train.spacy"]
    result = run(folder / "model", folder / "test.spacy", *seen, *seen, "--output", folder / "metrics.json")
    assert "1 sentences dropped" in result.output
    scores = json.loads((folder / "metrics.json").read_text(encoding="utf8"))
    assert (scores["sentences"], scores["dropped_seen"], scores["strict"]["f"]) == (1, 1, 1.0)


@pytest.mark.parametrize(
    ("model", "data", "options", "message"),
    [
        ("no_such_model", "test.spacy", [], "Cannot load the pipeline"),
        ("model/meta.json", "test.spacy", [], "Cannot load the pipeline"),
        ("model", "missing.spacy", [], "missing.spacy"),
        ("model", "test.txt", [], "DocBin"),
        ("model", "unlabelled.spacy", [], "no annotation on sentence 1"),
        ("model", "test.spacy", ["--drop-seen", "missing.spacy"], "missing.spacy"),
        ("model", "train.spacy", ["--drop-seen", "test.spacy"], "no sentence to score"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(folder, monkeypatch, model, data, options, message):
    monkeypatch.chdir(folder)
    result = run(model, data, "--output", "metrics.json", *options)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not (folder / "metrics.json").exists()


@pytest.mark.skipif(has_torch_cuda_gpu, reason="there is a GPU")
def test_missing_gpu(folder):
    result = run(folder / "model", folder / "test.spacy", "--gpu-id", 0)
    assert result.exit_code == 1
    assert "Cannot use GPU 0" in result.output
