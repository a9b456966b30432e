"""Convert to a folder of splits: one file shared out into three, and what a person has made in the folder."""

import hashlib
from itertools import chain

import pytest
from spacy.vocab import Vocab

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.data.manifest import MANIFEST
from spacy_crossner.data.split import split as split_docbin
from spacy_crossner.errors import DataError

MARKUP = "[Ada](PER) met [Bob](PER)\nIn [New York](LOC) [May](DATE)\n"


def test_the_sums_are_those_of_the_splits(tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name in ("train", "test"):
        (source / f"{name}.txt").write_text(MARKUP, encoding="utf8")
    convert(source, output, "news", labels_out=output / "labels.json")
    sums = [line.split("  ") for line in (output / MANIFEST).read_text(encoding="utf8").splitlines()]
    assert sums == [
        [hashlib.sha256((output / f"{name}.spacy").read_bytes()).hexdigest(), f"{name}.spacy"]
        for name in ("test", "train")
    ]


@pytest.mark.parametrize("sizes", [{"train": 6, "dev": 2, "test": None}, {"dev": 4, "test": None}])
def test_what_a_person_made_is_neither_deleted_nor_written_over(tmp_path, sizes):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "train.txt").write_text("".join(f"[Ada](PER) met {i}\n" for i in range(10)), encoding="utf8")
    convert(source, output, "news")
    (output / "train.spacy").rename(tmp_path / "all.spacy")
    split_docbin(tmp_path / "all.spacy", output, sizes)
    before = {path: path.read_bytes() for path in output.iterdir()}
    names = ", ".join(f"{name}.spacy" for name in ("train", "dev", "test") if name in sizes)
    with pytest.raises(DataError, match=rf"C162.*out: found {names}, which `convert` did not write.*--force"):
        convert(source, output, "news")
    assert {path: path.read_bytes() for path in output.iterdir()} == before
    result = convert(source, output, "news", force=True)
    assert {path.name for path in result.removed} == {f"{name}.spacy" for name in sizes} - {"train.spacy"}
    assert len(read_docbin(output / "train.spacy", Vocab())) == 10
    assert sorted(path.name for path in output.iterdir()) == [MANIFEST, "train.spacy"]
    # Its own it writes over, other text or not.
    (source / "train.txt").write_text(MARKUP, encoding="utf8")
    assert convert(source, output, "news").removed == []


def test_a_split_of_unknown_origin_is_no_part_of_a_new_corpus(tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    output.mkdir()
    (source / "train.txt").write_text(MARKUP, encoding="utf8")
    (output / "dev.spacy").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"C162.*found dev.spacy"):
        convert(source, output, "news")
    assert [(path.name, path.read_bytes()) for path in output.iterdir()] == [("dev.spacy", b"mine")]
    # What is equal to what is written needs no force.
    (output / "dev.spacy").unlink()
    convert(source, output, "news")
    (output / MANIFEST).unlink()
    convert(source, output, "news")
    assert (output / MANIFEST).is_file()


def many(n=20):
    """Return markup of n sentences: all with a PER, two with a LOC, one with a RARE."""
    lines = [f"[Ada](PER) met {'[Rome](LOC)' if i in (3, 7) else 'nobody'} {i}" for i in range(n)]
    lines[5] += " [x](RARE)"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", ["one.txt", "in"])
def test_one_file_is_enough(tmp_path, name):
    source, output = tmp_path / name, tmp_path / "out"
    if name == "in":
        # In a folder it has the name of train, or of the domain; other files are not looked at.
        source.mkdir()
        (source / "names.tsv").write_text("Ada\n")
        (source / "raw.txt").write_text("Ada\n")
    file = source / "news.txt" if name == "in" else source
    file.write_text(many(), encoding="utf8")
    result = convert(source, output, "news", sizes={"dev": 0.2, "test": 5}, labels_out=output / "labels.json")
    assert result.missing == []
    assert result.labels == ["LOC", "PER", "RARE"]
    assert {file.output.stem: (file.sentences, dict(file.entities)) for file in result.files} == {
        "train": (11, {"PER": 11, "LOC": 1, "RARE": 1}),
        "dev": (4, {"PER": 4}),
        "test": (5, {"PER": 5, "LOC": 1}),
    }
    texts = [[doc.text for doc in read_docbin(output / f"{part}.spacy", Vocab())] for part in ("train", "dev", "test")]
    plain = many().replace("[", "").replace("](PER)", "").replace("](LOC)", "").replace("](RARE)", "")
    assert sorted(chain.from_iterable(texts)) == sorted(plain.splitlines())
    # The same call gives the same, another seed gives another.
    before = {path: path.read_bytes() for path in output.iterdir()}
    convert(source, output, "news", sizes={"dev": 0.2, "test": 5}, labels_out=output / "labels.json")
    assert {path: path.read_bytes() for path in output.iterdir()} == before
    convert(source, output, "news", sizes={"dev": 0.2, "test": 5}, seed=1)
    assert (output / "dev.spacy").read_bytes() != before[output / "dev.spacy"]


def test_labels_that_are_renamed_or_dropped_do_not_change_what_is_drawn(tmp_path):
    (tmp_path / "one.txt").write_text(many(), encoding="utf8")
    drawn = []
    for number, options in enumerate(({}, {"label_map": {"LOC": "PER"}, "drop": ["RARE"]})):
        convert(tmp_path / "one.txt", tmp_path / str(number), "news", sizes={"test": 0.3}, **options)
        drawn.append([doc.text for doc in read_docbin(tmp_path / str(number) / "test.spacy", Vocab())])
    assert drawn[0] == drawn[1]


def test_splits_that_are_there_are_taken(tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "train.txt").write_text(many(), encoding="utf8")
    (source / "test.txt").write_text(MARKUP, encoding="utf8")
    result = convert(source, output, "news", sizes={"dev": 5, "test": 5})
    assert {file.output.stem: file.sentences for file in result.files} == {"train": 15, "dev": 5, "test": 2}
    assert result.notes == ["--test 5 is not needed: the existing test set is used."]
    assert convert(source, output, "news").missing == ["dev"]
    (source / "train.txt").unlink()
    # For scores alone there is nothing missing.
    assert convert(source, tmp_path / "zero", "news").missing == []
    with pytest.raises(DataError, match=r"C120.*no train"):
        convert(source, tmp_path / "other", "news", sizes={"dev": 5})


@pytest.mark.parametrize("output", ["out.spacy", "there.txt"])
def test_drawn_splits_go_to_a_folder(tmp_path, output):
    for name in ("one.txt", "there.txt"):
        (tmp_path / name).write_text(MARKUP, encoding="utf8")
    with pytest.raises(DataError, match=r"C121.*expected a folder"):
        convert(tmp_path / "one.txt", tmp_path / output, "news", sizes={"dev": 0.5})
    assert (tmp_path / "there.txt").read_text(encoding="utf8") == MARKUP
