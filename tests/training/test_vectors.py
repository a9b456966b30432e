import gzip

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.fingerprints import packages
from spacy_crossner.training.vectors import tokenize, train_vectors

SETTINGS = {"width": 8, "buckets": 200, "min_count": 1, "epochs": 2}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "raw.txt"
    lines = [
        f"The {a} lamp of {b} burns, it's {a}." for a in ("old", "red", "tall") for b in ("Oslo", "Bergen", "Rome")
    ]
    path.write_text("\n".join([*lines, "", "  "]) * 5 + "\n", encoding="utf8")
    return path


def test_every_word_has_a_vector_and_the_table_is_scaled(text, tmp_path):
    n_tokens = train_vectors([text], tmp_path / "vectors", **SETTINGS)
    nlp = spacy.load(tmp_path / "vectors")
    docs = [nlp.make_doc(line) for line in text.read_text().splitlines() if line.strip()]
    words = [token for doc in docs for token in doc if not token.is_space]
    assert n_tokens == len(words)
    assert nlp.vocab.vectors.mode == "floret"
    assert nlp.vocab.vectors.shape == (200, 8)
    assert np.square([token.vector for token in words]).mean() == pytest.approx(1, rel=1e-3)
    unseen = nlp.vocab["Trondheim"]
    assert unseen.has_vector
    assert np.abs(unseen.vector).sum() > 0


def test_with_one_thread_the_same_text_gives_the_same_vectors(text, tmp_path):
    for name in ("a", "b"):
        train_vectors([text], tmp_path / name, **SETTINGS)
    first, second = (spacy.load(tmp_path / name).vocab.vectors.data for name in ("a", "b"))
    np.testing.assert_array_equal(first, second)


def test_words_of_text_and_of_docbins(tmp_path):
    plain, packed, docs = tmp_path / "a.txt", tmp_path / "b.txt.gz", tmp_path / "c.spacy"
    plain.write_text("Ada met Grace.\n\n", encoding="utf8")
    packed.write_bytes(gzip.compress("Don't  go\u00a0now\n".encode()))
    write_docbin([Doc(spacy.blank("en").vocab, words=["New\u00a0York", "is", "far", " "])], docs)
    found = list(tokenize([plain, packed, docs], spacy.blank("en")))
    assert found == [["Ada", "met", "Grace", "."], ["Do", "n't", "go", "now"], ["NewYork", "is", "far"]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"architecture": "glove"}, "C032"), ({"min_ngram": 4, "max_ngram": 3}, "C032"), ({"min_count": 10**6}, "C033")],
)
def test_what_cannot_be_trained_is_named_and_nothing_is_left(text, tmp_path, settings, message):
    with pytest.raises(CrossnerError, match=message):
        train_vectors([text], tmp_path / "vectors", **{**SETTINGS, **settings})
    assert not (tmp_path / "vectors").exists()


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(CrossnerError, match=r"nowhere\.txt"):
        train_vectors([tmp_path / "nowhere.txt"], tmp_path / "vectors", **SETTINGS)


def test_vectors_are_made_anew_when_a_text_changes(text, tmp_path, monkeypatch, capsys):
    general = tmp_path / "general.txt"
    general.write_text("A lamp of Oslo.\n")
    assert train_vectors([text, general], tmp_path / "vectors", **SETTINGS)
    before = (tmp_path / "vectors" / "vocab" / "vectors").read_bytes()
    assert train_vectors([text, general], tmp_path / "vectors", **SETTINGS) is None
    assert "is up to date" in " ".join(capsys.readouterr().out.split())
    general.write_text("A lamp of Rome.\n")
    assert train_vectors([text, general], tmp_path / "vectors", **SETTINGS)
    assert f"the text {general}" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "vectors" / "vocab" / "vectors").read_bytes() != before
    assert train_vectors([text, general], tmp_path / "vectors", **{**SETTINGS, "width": 9})
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "99" if name == "floret" else real(name))
    assert train_vectors([text, general], tmp_path / "vectors", **{**SETTINGS, "width": 9})
