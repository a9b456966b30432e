from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.data.overlap import count_words, top_words, vocabulary_overlap

COUNTS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 3), max_size=8)


def test_what_counts_as_a_word():
    words = ["The", "net", "Net", "3", "...", "GPT-3", "é", "\u200b", "the", "don't"]
    assert count_words(words, {"the", "don't"}) == {"net": 2, "gpt-3": 1, "é": 1}


def test_ties_go_by_the_alphabet():
    assert top_words({"b": 2, "d": 1, "c": 1, "a": 1}, 3) == {"b", "a", "c"}


def test_overlap_by_hand():
    counts = {
        "news": Counter(bank=9, goal=8, vote=7, rain=1),
        "ai": Counter(model=9, goal=8, bank=7, vote=1),
        "tiny": Counter(vote=1),
        "none": Counter(),
    }
    overlap = vocabulary_overlap(counts, size=3)
    assert overlap["news", "ai"] == pytest.approx(100 * 2 / 3)  # bank and goal, of three
    assert overlap["news", "tiny"] == 100
    assert overlap["ai", "tiny"] == 0  # vote is not among the top three
    assert overlap["tiny", "none"] == 0
    assert len(overlap) == 6


@given(COUNTS, COUNTS, st.integers(1, 9))
def test_overlap_is_symmetric_and_bounded(first, second, size):
    there = vocabulary_overlap({"x": first, "y": second}, size)["x", "y"]
    back = vocabulary_overlap({"y": second, "x": first}, size)["y", "x"]
    assert there == back
    assert 0 <= there <= 100
    assert vocabulary_overlap({"x": first, "y": first}, size)["x", "y"] == (100 if first else 0)


def test_one_word_whatever_its_spelling():
    words = ["Größe", "Gro\u0308ße", "GRÖSSE", "Grö\u00adße", "don’t"]
    assert count_words(words, {"don't"}) == {"grösse": 4}
