import spacy
from spacy.tokens import Doc
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin


def test_two_corpora_in_one_out(tmp_path):
    vocab = spacy.blank("en").vocab
    for name, word, other in (("a", "Oslo", "Ada"), ("b", "Bonn", "Zeus")):
        tags = ["B-LOC", "O", "B-PER" if name == "a" else "B-GOD"]
        write_docbin([Doc(vocab, words=[word, "and", other], ents=tags)], tmp_path / f"{name}.spacy")
    paths = [str(tmp_path / f"{name}.spacy") for name in ("a", "b")]
    result = CliRunner().invoke(
        app, ["augment", *paths, "--output", str(tmp_path / "out.spacy"), "--target-times", "1"]
    )
    assert result.exit_code == 0, result.output
    assert "2 LOC" in result.output
    # Lines are as long as the terminal.
    assert "GOD, PER" in " ".join(result.output.split())
    assert {doc[0].text for doc in read_docbin(tmp_path / "out.spacy", vocab)} == {"Oslo", "Bonn"}
    missing = CliRunner().invoke(app, ["augment", paths[0], str(tmp_path / "no.spacy"), "--output", "x.spacy"])
    assert missing.exit_code == 1
    assert "no.spacy" in missing.output
