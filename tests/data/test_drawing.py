import random
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_crossner.data.column_files import ColumnFile, read_files
from spacy_crossner.data.columns import read_tags
from spacy_crossner.data.drawing import draw_parts
from spacy_crossner.data.faults import Faults
from spacy_crossner.data.normal_form import sentence_key
from spacy_crossner.data.schemes import Scheme
from spacy_crossner.data.sentences import Sentence
from spacy_crossner.errors import DataError

FAULTS = Faults(Path("x.txt"))


def make_sentences(rows):
    """Make sentences of labels each, all with other words."""
    return [
        Sentence([f"w{i}", *labels], [(j, j + 1, label) for j, label in enumerate(labels, 1)], i)
        for i, labels in enumerate(rows)
    ]


def draw(sentences, seed=0, **sizes):
    return draw_parts(sentences, sizes, seed, FAULTS).parts


def types(sentences, part):
    return Counter(label for i in part for _, _, label in sentences[i].spans or [])


def test_each_type_is_in_each_part_as_far_as_its_counts_allow():
    rows = [["often"]] * 40 + [[]] * 30 + [["three"]] * 3 + [["two"]] * 2 + [["one"]] + [["ten"]] * 10 + [[]] * 14
    sentences = make_sentences(random.Random(1).sample(rows, len(rows)))
    for seed in range(5):
        parts = draw(sentences, seed, dev=0.2, test=0.2)
        assert {name: len(part) for name, part in parts.items()} == {"train": 60, "dev": 20, "test": 20}
        assert sorted(chain.from_iterable(parts.values())) == list(range(100))
        counts = {name: types(sentences, part) for name, part in parts.items()}
        assert counts["train"] == {"often": 24, "three": 1, "two": 1, "one": 1, "ten": 6}
        assert counts["dev"] == {"often": 8, "three": 1, "ten": 2}
        assert counts["test"] == {"often": 8, "three": 1, "two": 1, "ten": 2}
        # As many sentences without an entity as there are for each size.
        assert [sum(not sentences[i].spans for i in parts[name]) for name in parts] == [27, 9, 8]


LABELS = st.lists(st.lists(st.sampled_from("abcd"), max_size=4), min_size=8, max_size=40)


@settings(deadline=None)
@given(LABELS, st.integers(0, 5), st.integers(1, 3), st.one_of(st.integers(1, 3), st.floats(0.1, 0.4)))
def test_sizes_are_met_and_nothing_is_lost(rows, seed, dev, test):
    sentences = make_sentences(rows)
    parts = draw(sentences, seed, dev=dev, test=test)
    assert sorted(chain.from_iterable(parts.values())) == list(range(len(rows)))
    assert all(part == sorted(part) for part in parts.values())
    assert len(parts["dev"]) == dev
    assert len(parts["test"]) == (max(1, round(test * len(rows))) if isinstance(test, float) else test)
    assert parts == draw(sentences, seed, dev=dev, test=test)


def test_the_seed_decides():
    sentences = make_sentences([["a"]] * 30)
    assert draw(sentences, 1, dev=10) == draw(sentences, 1, dev=10) != draw(sentences, 2, dev=10)


def test_spellings_of_a_sentence_are_in_one_part():
    words = [["Zürich", "ruft."], ["Zu\u0308rich", "ruft", "."], ["ZÜRICH", "ruft", "."], ["a"], ["b"], ["c"], ["d"]]
    sentences = [Sentence(sentence, [(0, 1, "x")], i) for i, sentence in enumerate(words * 2)]
    for seed in range(10):
        parts = draw(sentences, seed, dev=0.3, test=0.3)
        keys = [{sentence_key(" ".join(sentences[i].words)) for i in part} for part in parts.values()]
        assert sum(map(len, keys)) == len(set().union(*keys)) == 5
        assert all(parts.values())


def read_columns(documents):
    """Read documents of words from columns."""
    lines = []
    for sentences in documents:
        lines += ["-DOCSTART- O", ""]
        for word in sentences:
            lines += [f"{word} B-x", ""]
    file = ColumnFile.of(list(enumerate(lines, 1)), Scheme.bio, FAULTS)
    return [read_tags(rows, Scheme.bio, FAULTS) for rows in read_files([file], Scheme.bio)[0][0]]


def test_documents_stay_together_but_for_repetitions():
    sentences = read_columns([[f"d{i}s{j}" for j in range(4)] for i in range(9)] + [["d3s1", "d9s0"]])
    assert [sentence.document for sentence in sentences[::4]] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    for seed in range(5):
        drawn = draw_parts(sentences, {"dev": 0.2, "test": 0.2}, seed, FAULTS)
        part_of = {sentences[i].words[0]: name for name, part in drawn.parts.items() for i in part}
        for document in range(9):
            assert len({part_of[f"d{document}s{j}"] for j in range(4)}) == 1
        assert sum(map(len, drawn.parts.values())) == 38
        # Two documents of nine each, give or take one.
        assert all(4 <= len(drawn.parts[name]) <= 12 for name in ("dev", "test"))
        assert drawn.notes == [
            "10 documents were kept together.",
            "1 sentences repeat a sentence of another document and are in the same part.",
        ]


def test_few_documents_are_cut():
    drawn = draw_parts(read_columns([["a", "b", "c"], ["d", "e", "f"]]), {"dev": 1, "test": 2}, 0, FAULTS)
    assert {name: len(part) for name, part in drawn.parts.items()} == {"train": 3, "dev": 1, "test": 2}
    assert drawn.notes == ["2 documents are too few to keep together; sentences were drawn."]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"dev": 0.5, "test": 5}, r"C119.*found 10 sentences; expected more than dev 0.5 \+ test 5"),
        ({"dev": 10}, r"C119.*found 10 sentences; expected more than dev 10"),
        ({"dev": 0}, r"C119.*found dev 0; expected shares between 0 and 1"),
        ({"dev": 1.0}, r"C119.*found dev 1.0; expected shares between 0 and 1"),
        ({"dev": -0.1}, r"C119.*found dev -0.1; expected shares between 0 and 1"),
    ],
)
def test_sizes_that_do_not_fit(sizes, message):
    with pytest.raises(DataError, match=message):
        draw(make_sentences([["a"]] * 10), **sizes)


def test_a_set_of_one_sentence_cannot_be_split():
    sentences = [Sentence(["Oslo"], [], i) for i in range(9)]
    with pytest.raises(DataError, match=r"C119.*found 1 different sentences; expected at least 2"):
        draw(sentences, dev=2)


def test_no_part_is_empty():
    # Ten times each of three sentences, which stay together.
    sentences = [Sentence([f"w{i % 3}", "x"], [(1, 2, "X")], i) for i in range(30)]
    with pytest.raises(DataError, match=r"C119.*3 different sentences, so that no sentence is left for dev"):
        draw(sentences, dev=0.2, test=0.2)
    assert {name: len(part) for name, part in draw(sentences, dev=10, test=10).items()} == {
        "train": 10,
        "dev": 10,
        "test": 10,
    }
