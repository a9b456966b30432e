import spacy
from typer.testing import CliRunner

from spacy_crossner.cli import app


def test_text_in_vectors_out(tmp_path):
    text = tmp_path / "raw.txt"
    text.write_text("a lamp of Oslo burns\n" * 20, encoding="utf8")
    options = ["--width", "6", "--buckets", "100", "--min-count", "2", "--epochs", "1", "--architecture", "cbow"]
    result = CliRunner().invoke(app, ["vectors", str(text), "--output", str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    assert "100 tokens" in result.output
    assert spacy.load(tmp_path / "out").vocab.vectors.shape == (100, 6)


def test_what_is_wrong_is_one_message(tmp_path):
    result = CliRunner().invoke(app, ["vectors", str(tmp_path / "no.txt"), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert "no.txt" in result.output
    assert "Traceback" not in result.output
