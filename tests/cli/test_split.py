import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin


def run(*arguments):
    result = CliRunner().invoke(app, ["split", *map(str, arguments)])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def source(tmp_path):
    docs = [Doc(Vocab(), words=[str(i // 2)], ents=["O"]) for i in range(10)]
    write_docbin(docs, tmp_path / "all.spacy")
    return tmp_path / "all.spacy"


def test_parts(source, tmp_path):
    code, output = run(source, tmp_path / "out", "--sizes", "train=2, unlabelled=3,test=rest", "--seed", 1)
    assert code == 0, output
    assert "train.spacy: 2 docs" in output
    assert "unlabelled.spacy: 3 docs (annotation removed)" in output
    assert "test.spacy: 5 docs" in output
    assert "are in more than one part" in output
    assert len(read_docbin(tmp_path / "out" / "test.spacy", Vocab())) == 5
    output = run(source, tmp_path / "out", "--sizes", "train=5")[1]
    assert "5 docs are not in any part" in output
    assert "unlabelled.spacy: deleted; it was part of an earlier split" in output
    (tmp_path / "out" / "train.spacy").write_bytes(b"mine")
    assert "[C132]" in run(source, tmp_path / "out", "--sizes", "train=5")[1]
    assert run(source, tmp_path / "out", "--sizes", "train=5", "--force")[0] == 0


def test_too_small_a_set(source, tmp_path):
    code, output = run(source, tmp_path / "out", "--sizes", "train=8,test=8")
    assert code == 1
    assert "found 10 docs; expected at least 16 for train 8 + test 8" in output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "sizes", ["train", "train=", "=3", "train=-1", "train=1.5", "train=²", "../x=3", "a=1,a=2", ""]
)
def test_wrong_sizes(source, tmp_path, sizes):
    code, output = run(source, tmp_path / "out", "--sizes", sizes)
    assert code == 2
    assert "is not of the form name=number" in output or "'a' is given twice" in output
