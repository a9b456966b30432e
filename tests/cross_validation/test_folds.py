"""Folds hold each sentence once, are of one size, and have their share of each type."""

import random
from collections import Counter

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_crossner.cross_validation.folds import draw_folds, write_folds
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError

NLP = spacy.blank("en")


def make_docs(types):
    """Return a doc for each set of types: other words in each."""
    docs = []
    for number, labels in enumerate(types):
        doc = Doc(NLP.vocab, words=[f"w{number}", *[f"e{number}-{label}" for label in labels]])
        doc.set_ents(
            [Span(doc, place, place + 1, label) for place, label in enumerate(labels, start=1)], default="outside"
        )
        docs.append(doc)
    return docs


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("seed", [0, 1])
def test_each_sentence_is_in_one_fold_and_sizes_differ_by_one(folds, seed):
    drawn = draw_folds(make_docs([("a",), ("b",), (), ("a", "b")] * 8), folds, seed)
    assert sorted(i for part in drawn for i in part) == list(range(32))
    sizes = [len(part) for part in drawn]
    assert max(sizes) - min(sizes) <= 1


def test_types_are_shared_out():
    rng = random.Random(3)
    types = [tuple(label for label in "abcd" if rng.random() < 0.4) for _ in range(90)]
    types += [("rare",)] * 10
    for part in draw_folds(make_docs(types), 5, 0):
        counts = Counter(label for i in part for label in types[i])
        whole = Counter(label for labels in types for label in labels)
        for label in "abcd":
            assert abs(counts[label] - whole[label] / 5) <= 4
        assert counts["rare"] >= 1


def test_types_in_regular_order_are_shared_out():
    """Five types in turn, and five folds: dealing in turn would give each fold a type of its own."""
    types = [(label,) for _ in range(20) for label in "abcde"]
    for part in draw_folds(make_docs(types), 5, 0):
        assert max(Counter(types[i] for i in part).values()) <= 9


def test_the_seed_decides():
    docs = make_docs([("a",), ("b",)] * 20)
    assert draw_folds(docs, 4, 0) == draw_folds(docs, 4, 0)
    assert draw_folds(docs, 4, 0) != draw_folds(docs, 4, 1)


def test_copies_of_a_sentence_are_in_one_fold():
    docs = make_docs([("a",)] * 6)
    drawn = draw_folds([*docs, *docs], 3, 0)
    for part in drawn:
        assert {i % 6 for i in part} == {i % 6 for i in part if i < 6} == {i % 6 for i in part if i >= 6}


def test_too_few_sentences_are_refused():
    docs = make_docs([("a",)] * 3)
    with pytest.raises(CrossnerError, match=r"C671.*3 different sentences.*5 folds"):
        draw_folds([*docs, *docs], 5, 0)


def test_the_files_hold_the_folds(tmp_path):
    docs = make_docs([("a",), ("b",)] * 10)
    write_docbin(docs, tmp_path / "all.spacy")
    places = write_folds(tmp_path / "all.spacy", tmp_path / "folds", 4, 0)
    held_out = []
    for place in places:
        train = {doc.text for doc in read_docbin(place / "train.spacy", Vocab())}
        dev = {doc.text for doc in read_docbin(place / "dev.spacy", Vocab())}
        assert not train & dev
        assert train | dev == {doc.text for doc in docs}
        held_out += sorted(dev)
    assert sorted(held_out) == sorted(doc.text for doc in docs)


def test_a_limit_draws_sentences_first(tmp_path):
    write_docbin(make_docs([("a",), ("b",)] * 10), tmp_path / "all.spacy")
    places = write_folds(tmp_path / "all.spacy", tmp_path / "folds", 4, 0, limit=8)
    assert sum(len(read_docbin(place / "dev.spacy", Vocab())) for place in places) == 8
