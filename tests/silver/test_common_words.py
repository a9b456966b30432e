"""Common words by their case and their frequency, against counts by hand and a slow count."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.silver import common_words
from spacy_crossner.silver.common_words import WordCounter

NAMES = ["Help", "MAP", "Net", "model", "Deep Net", "B-tree", "GAn"]


def common(names, text, ratio=2.0, frequent=1000.0, **settings):
    counter = WordCounter(names, **settings)
    for line in text:
        counter.add(line.encode())
    found = counter.common_words(ratio, frequent)
    return {name for name, is_common in zip(names, found, strict=True) if is_common}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Three times in lower case, once with a capital.
        ("we help and help , he helped , a help Help", {"Help"}),
        ("we help and help , Help", set()),
        # A capital where a sentence begins says nothing.
        ("Help me . Help us : Help ' Help help", {"Help"}),
        ("of Help , to Help . Help help", set()),
        # An abbreviation is found in capitals only; several words and words with symbols have no such rule.
        ("a map a map a map map", set()),
        ("a deep net of a b - tree , a gan , gan , gan", {"Net"}),
    ],
)
def test_case(text, expected):
    assert common(NAMES, [text]) == expected


def test_case_of_all_names_counts_if_case_is_ignored():
    assert common(["MAP", "GAn", "x"], ["a map , a gan , GAn"], ignore_case=True) == {"MAP"}


def test_frequency_of_names_in_lower_case():
    line = "one model and " + "word " * 97
    assert common(["model", "Model"], [line] * 9, frequent=5000) == {"Model"}
    assert common(["model", "Model"], [line] * 10, frequent=5000) == {"Model", "model"}
    # 10 of 1,000 words, less the first of each line.
    assert common(["model"], [line] * 10, frequent=10_100) == {"model"}
    assert common(["model"], [line] * 10, frequent=10_200) == set()


@given(
    st.lists(st.sampled_from(["Ab", "ab", "AB", "Ba", "ba", "a"]), min_size=1, unique=True),
    st.lists(st.lists(st.sampled_from(["Ab", "ab", "AB", "Ba", "ba", "a", ".", ",", "“"]), min_size=1), min_size=1),
    st.booleans(),
)
def test_the_counts_are_those_of_a_slow_count(names, lines, ignore_case):
    counter = WordCounter(names, ignore_case=ignore_case)
    counter.add("\n".join(" ".join(line) for line in lines).encode())
    words = [
        word for line in lines for before, word in zip([".", *line], line, strict=False) if not re.match("[.“]", before)
    ]
    for i, name in enumerate(names):
        if i in counter.places:
            assert counter.counts_of(i) == (words.count(name), words.count(name.lower()))
        else:
            assert name == "AB"
            assert not ignore_case


def test_no_names_of_one_word():
    assert common(["Deep Net", "-"], ["deep net"]) == set()
    assert not WordCounter(["Ab"]).common_words(1, 1).any()
    assert common_words.FEWEST > 0
    assert np.array_equal(WordCounter([]).common_words(1, 1), np.zeros(0, dtype=bool))
