"""The report of the command, which names its test, and pairs of pipelines."""

import json

import pytest
import spacy
from spacy.tokens import Doc
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin

WORDS = ("Ada", "Bob", "Cyd", "Dan")


@pytest.fixture
def folder(tmp_path):
    """Give a folder with pipelines that find some names, called by them, and with sentences of one name each."""
    for names in ("AdaBobCyd", "AdaBob", "Ada", "Dan"):
        nlp = spacy.blank("en")
        patterns = [{"label": "person", "pattern": word} for word in WORDS if word in names]
        nlp.add_pipe("entity_ruler").add_patterns(patterns)
        nlp.to_disk(tmp_path / names)
    docs = [Doc(nlp.vocab, words=[word, "left"], ents=["B-person", "O"]) for word in WORDS for _ in range(10)]
    write_docbin(docs, tmp_path / "test.spacy")
    return tmp_path


def run(folder, *pipelines, status=0):
    """Return the printed text and the written result."""
    output = folder / "out.json"
    words = [*(folder / name for name in pipelines), folder / "test.spacy", "--samples", 1000, "--output", output]
    result = CliRunner().invoke(app, ["bootstrap", *map(str, words)])
    assert result.exit_code == status, result.output
    return result.output, json.loads(output.read_text()) if output.exists() else {}


def test_two_pipelines_are_compared_over_sentences(folder):
    text, result = run(folder, "AdaBobCyd", "Ada")
    assert "F1 85.71 and 40.00 on 40 sentences: difference +45.71, 95% interval" in text
    assert "Paired bootstrap over sentences; it holds for these two pipelines, not for other seeds" in text
    assert "one-sided; null hypothesis: the first is not better." in text
    assert f"p = {result['p_value']:.4f}, one-sided" in text
    assert f"p = {result['p_two_sided']:.4f}, two-sided; null hypothesis: no difference" in text
    assert (result["seeds"], result["sentences"], result["samples"]) == (1, 40, 1000)
    assert result["p_value"] < 0.01


def test_pairs_are_compared_over_seeds_and_sentences(folder):
    text, result = run(folder, "AdaBobCyd", "AdaBob", "AdaBob", "Ada", "Ada", "Dan")
    assert "(means of 3 seeds: +19.05, +26.67, +0.00)" in text
    assert "Hierarchical paired bootstrap over sentences and 3 seeds." in text
    assert result["by_seed"] == pytest.approx([6 / 7 - 2 / 3, 2 / 3 - 2 / 5, 0])
    assert result["difference"] == pytest.approx(sum(result["by_seed"]) / 3)


def test_a_pipeline_without_a_partner_is_an_error(folder):
    text, result = run(folder, "AdaBobCyd", "Ada", "AdaBob", status=1)
    assert "[C099] 3 pipelines cannot be compared in pairs" in " ".join(text.split())
    assert result == {}
