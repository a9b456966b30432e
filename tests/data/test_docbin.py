import os
import stat

import pytest
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab

from spacy_crossner.annotations.domains import get_domain, set_language, without_annotation
from spacy_crossner.data.docbin import check_language, read_docbin, write_docbin
from spacy_crossner.data.files import write_files
from spacy_crossner.data.sentences import Sentence, make_doc, read_doc
from spacy_crossner.errors import DataError

LABELLED = Sentence(["Ada", "met", "Bob"], [(0, 1, "geo-loc"), (1, 2, "geo-loc")], 1)
NO_ENTITY = Sentence(["Ada", "left", "."], [], 2, [True, False, False])
UNLABELLED = Sentence(["Ada", "left", "."], None, 3, [True, False, False])


def make_docs():
    return [make_doc(Vocab(), sentence, "ai") for sentence in (LABELLED, NO_ENTITY, UNLABELLED)]


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "x.spacy"
    write_docbin(make_docs(), path)
    docs = read_docbin(path, Vocab())
    assert [read_doc(doc, i) for i, doc in enumerate(docs, 1)] == [LABELLED, NO_ENTITY, UNLABELLED]
    assert [get_domain(doc) for doc in docs] == ["ai"] * 3
    assert [doc.has_unknown_spaces for doc in docs] == [True, False, False]
    assert docs[1].text == "Ada left."
    # Entities side by side stay two, no entity is O, no annotation is None.
    tags = [Example(Doc(doc.vocab, words=[token.text for token in doc]), doc).get_aligned_ner() for doc in docs]
    assert tags == [["U-geo-loc", "U-geo-loc", "O"], ["O"] * 3, [None] * 3]


def test_docs_share_no_user_data(tmp_path):
    docs = make_docs()
    for doc in docs[:2]:
        doc.user_data["notes"] = {"seen": ("by", "Ada")}
    write_docbin(docs, tmp_path / "x.spacy")
    first, second, third = read_docbin(tmp_path / "x.spacy", Vocab())
    assert first.user_data == second.user_data
    assert first.user_data["notes"] == {"seen": ("by", "Ada")}
    assert get_domain(first) == get_domain(third) == "ai"
    first.user_data["notes"]["seen"] = ()
    assert second.user_data["notes"] == {"seen": ("by", "Ada")}
    assert "notes" not in third.user_data


def test_spacy_reads_it_and_we_read_spacys(tmp_path):
    path = tmp_path / "x.spacy"
    write_docbin(make_docs(), path)
    (doc, *_) = DocBin().from_disk(path).get_docs(Vocab())
    assert [ent.label_ for ent in doc.ents] == ["geo-loc"] * 2
    DocBin(docs=[Doc(Vocab(), words=["a"])]).to_disk(path)
    assert get_domain(read_docbin(path, Vocab())[0]) is None


def test_no_docs(tmp_path):
    write_docbin([], tmp_path / "x.spacy")
    assert read_docbin(tmp_path / "x.spacy", Vocab()) == []


def test_without_annotation_keeps_text_tokens_and_domain():
    copies = [without_annotation(doc, doc.vocab) for doc in make_docs()]
    assert [doc.text for doc in copies] == [doc.text for doc in make_docs()]
    assert not any(doc.has_annotation("ENT_IOB") or doc.ents for doc in copies)
    assert {get_domain(doc) for doc in copies} == {"ai"}


@pytest.mark.parametrize("content", [b"", b"Ada O\n", b"x\x9c\x03\x00\x00\x00\x00\x01", None])
def test_reading_what_is_no_docbin(tmp_path, content):
    path = tmp_path / "x.spacy"
    if content is None:  # a docbin that was cut off
        write_docbin(make_docs(), path)
        content = path.read_bytes()[:-20]
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^\[C117\] .*x.spacy: found a file that is no DocBin"):
        read_docbin(path, Vocab())


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"^\[C101\] .*none.spacy: found 'No such file or directory'"):
        read_docbin(tmp_path / "none.spacy", Vocab())


def test_writing_replaces_or_leaves_all_as_it_was(tmp_path):
    old, folder = tmp_path / "old", tmp_path / "folder"
    old.write_bytes(b"old")
    folder.mkdir()
    with pytest.raises(DataError, match=r"^\[C118\] .*folder: found 'a folder of that name'"):
        write_files({old: b"new", tmp_path / "fresh": b"new", folder: b"new"})
    assert old.read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "old"]
    write_files({old: b"new"})
    assert old.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "old"]


def test_writing_below_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(DataError, match=r"^\[C118\]"):
        write_files({tmp_path / "x" / "y": b"new"})
    assert (tmp_path / "x").read_bytes() == b"old"


def test_an_interruption_leaves_no_temporary_file(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "x": b"new"})
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_files_have_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_files({tmp_path / "x": b"new"})
    plain, written = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "x"))
    assert written == plain


@pytest.mark.parametrize("name", ["dev", "test"])
def test_a_missing_set_says_how_to_get_one(tmp_path, name):
    with pytest.raises(
        DataError, match=rf"C161.*{name}.spacy: found no such file; expected a {name} set .*--{name} 0.2"
    ):
        read_docbin(tmp_path / f"{name}.spacy", Vocab())


def test_docs_of_another_language(tmp_path):
    docs = [Doc(Vocab(), words=["x"]) for _ in range(3)]
    set_language(docs[1], "de")
    check_language(docs, tmp_path / "x.spacy", "de")
    check_language(docs[:1], tmp_path / "x.spacy", "en")
    with pytest.raises(
        DataError, match=r"C160.*x.spacy: found text converted as 'de'; .*'en'\. .*--nlp.lang de.*--lang en"
    ):
        check_language(docs, tmp_path / "x.spacy", "en")
