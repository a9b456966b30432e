import hashlib
from collections import Counter

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.annotations.domains import get_domain, set_domain
from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.data.manifest import MANIFEST
from spacy_crossner.data.split import split
from spacy_crossner.errors import DataError


@pytest.fixture
def source(tmp_path):
    docs = []
    for i in range(20):
        doc = Doc(Vocab(), words=["Ada", str(i)], ents=["B-person", "O"])
        set_domain(doc, "ai")
        docs.append(doc)
    write_docbin(docs, tmp_path / "all.spacy")
    return tmp_path / "all.spacy"


def numbers(path):
    return [int(doc[1].text) for doc in read_docbin(path, Vocab())]


def test_parts_are_disjoint_and_complete(source, tmp_path):
    result = split(source, tmp_path / "out", {"train": 5, "unlabelled": 8, "test": None})
    assert result.sizes == {"train": 5, "unlabelled": 8, "test": 7}
    parts = {name: numbers(path) for name, path in result.parts.items()}
    assert {name: len(part) for name, part in parts.items()} == result.sizes
    assert sorted(number for part in parts.values() for number in part) == list(range(20))
    assert all(part == sorted(part) for part in parts.values())
    assert parts["train"] != list(range(5))
    assert (result.unused, result.shared) == (0, 0)


def test_only_the_unlabelled_part_loses_its_annotation(source, tmp_path):
    result = split(source, tmp_path / "out", {"train": 5, "unlabelled": 5, "unlabeled": 5})
    annotated = {}
    for name, path in result.parts.items():
        docs = read_docbin(path, Vocab())
        annotated[name] = {doc.has_annotation("ENT_IOB") for doc in docs} | {bool(doc.ents) for doc in docs}
        assert {get_domain(doc) for doc in docs} == {"ai"}
    assert annotated == {"train": {True}, "unlabelled": {False}, "unlabeled": {False}}
    assert result.unused == 5


def test_the_seed_decides(source, tmp_path):
    drawn = [
        {
            name: numbers(path)
            for name, path in split(source, tmp_path / str(i), {"a": 6, "b": 6}, seed=seed).parts.items()
        }
        for i, seed in enumerate((3, 3, 4))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_every_doc_may_be_drawn(source, tmp_path):
    drawn = Counter()
    for seed in range(40):
        drawn.update(numbers(split(source, tmp_path / "out", {"a": 10}, seed=seed).parts["a"]))
    assert sorted(drawn) == list(range(20))
    assert min(drawn.values()) > 8  # of 20 expected, five standard deviations below


def test_repeated_texts_in_several_parts_are_counted(tmp_path):
    words = ["a", "a", "a", "b"]
    write_docbin([Doc(Vocab(), words=[word]) for word in words], tmp_path / "all.spacy")
    sizes = {"w": 1, "x": 1, "y": 1, "z": 1}
    assert split(tmp_path / "all.spacy", tmp_path, sizes).shared == 2


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"train": 15, "test": 6}, "found 20 docs; expected at least 21 for train 15 . test 6"),
        ({"train": 20, "test": None}, "found 20 docs; expected at least 21 for train 20 . test rest"),
        ({"train": None, "test": 5}, "'rest' for the last part only"),
        ({"train": 0, "test": 5}, "sizes of 1 and more"),
        ({"train": -1}, "sizes of 1 and more"),
    ],
)
def test_sizes_that_do_not_fit(source, tmp_path, sizes, message):
    with pytest.raises(DataError, match=message):
        split(source, tmp_path / "out", sizes)
    assert not (tmp_path / "out").exists()


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def sums(folder):
    """Return the sums of the files in a folder that stand in its manifest, by name, as `sha256sum -c` reads them."""
    lines = (folder / MANIFEST).read_text(encoding="utf8").splitlines()
    found = dict(line.split("  ")[::-1] for line in lines if not line.startswith("#"))
    return {name: digest == hashlib.sha256((folder / name).read_bytes()).hexdigest() for name, digest in found.items()}


@pytest.mark.parametrize("force", [False, True])
def test_the_set_itself_is_no_part(source, tmp_path, force):
    output = tmp_path / "out"
    split(source, output, {"train": 12, "test": 8})
    before = content(output)
    # Neither written over nor taken away, under any name of it.
    (tmp_path / "link").symlink_to(output)
    for path, sizes in ((output / "train.spacy", {"train": 4, "dev": 3}), (tmp_path / "link" / "test.spacy", {"x": 3})):
        with pytest.raises(DataError, match=r"C131.*(train|test)\.spacy, which is an input"):
            split(path, output, sizes, force=force)
    assert content(output) == before


def test_splits_of_convert_are_not_written_over(source, tmp_path):
    (tmp_path / "one.txt").write_text("".join(f"[Ada](PER) met {i}\n" for i in range(10)), encoding="utf8")
    output = tmp_path / "out"
    convert(tmp_path / "one.txt", output, "news", sizes={"dev": 0.2})
    before = content(output)
    with pytest.raises(DataError, match=r"C132.*found train.spacy, dev.spacy, which `split` did not write.*--force"):
        split(source, output, {"train": 5, "dev": 4, "test": 3})
    assert content(output) == before
    # Those beside which it writes stay, and both commands know their own ones.
    split(source, output, {"test": 3})
    assert {name: content(output)[name] for name in ("train.spacy", "dev.spacy")} == {
        name: before[name] for name in ("train.spacy", "dev.spacy")
    }
    assert sums(output) == {"train.spacy": True, "dev.spacy": True, "test.spacy": True}
    with pytest.raises(DataError, match=r"C162.*found test.spacy, which `convert` did not write"):
        convert(tmp_path / "one.txt", output, "news", sizes={"dev": 0.2})
    split(source, output, {"train": 5}, force=True)
    assert sums(output) == {"train.spacy": True, "dev.spacy": True}
    assert len(numbers(output / "train.spacy")) == 5


def test_parts_of_an_earlier_split_are_taken_away(source, tmp_path):
    output = tmp_path / "out"
    split(source, output, {"train": 10, "dev": 5, "test": 5})
    (output / "mine.spacy").write_bytes(b"mine")
    result = split(source, output, {"train": 8, "dev": 12})
    assert result.removed == [output / "test.spacy"]
    assert sorted(content(output)) == [MANIFEST, "dev.spacy", "mine.spacy", "train.spacy"]
    assert sums(output) == {"train.spacy": True, "dev.spacy": True}
    (output / "dev.spacy").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"C132.*found dev.spacy"):
        split(source, output, {"train": 8})
    assert split(source, output, {"train": 8}, force=True).removed == [output / "dev.spacy"]


def test_all_parts_or_none(source, tmp_path):
    (tmp_path / "out" / "test.spacy").mkdir(parents=True)
    with pytest.raises(DataError, match="C118"):
        split(source, tmp_path / "out", {"train": 5, "test": 5})
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["test.spacy"]


def test_a_source_that_is_no_docbin(tmp_path):
    (tmp_path / "all.spacy").write_text("Ada O\n", encoding="utf8")
    with pytest.raises(DataError, match="C117"):
        split(tmp_path / "all.spacy", tmp_path / "out", {"train": 1})


def test_other_spellings_of_a_text_are_repetitions(tmp_path):
    texts = [["Zürich", "ruft."], ["Zu\u0308rich", "ruft", "."], ["ZÜRICH", "ruft", "."], ["Bern"]]
    write_docbin([Doc(Vocab(), words=words) for words in texts], tmp_path / "all.spacy")
    assert split(tmp_path / "all.spacy", tmp_path, {"w": 1, "x": 1, "y": 1, "z": 1}).shared == 2
