"""`NameFinder` against a slow search over all runs of tokens."""

from itertools import chain

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_crossner.data.normal_form import name_key
from spacy_crossner.text.matching import NameFinder

from .test_matching import naive_tokens

WORD = st.text("aBß-", min_size=1, max_size=3)
TOKENS = st.lists(WORD, max_size=8)
NAMES = st.lists(st.lists(WORD, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=10)


def slow_mentions(names, tokens, ignore_case):
    """Try each run of whole tokens, from the left, the longest first."""
    listed = [naive_tokens(name_key(name, ignore_case=ignore_case)) for name in names]
    tokens = [naive_tokens(name_key(token, ignore_case=ignore_case)) for token in tokens]
    found, start = [], 0
    while start < len(tokens):
        runs = [(end, [*chain(*tokens[start:end])]) for end in range(len(tokens), start, -1)]
        end, run = next(((end, run) for end, run in runs if run in listed), (start + 1, None))
        if run is not None:
            found.append((start, end, listed.index(run)))
        start = end
    return found


@given(NAMES, st.lists(TOKENS, max_size=4), st.booleans())
# The longest match of all ends within a token, and a shorter one does not.
@example(["a", "a B -"], [["a", "B", "-a"], ["a"]], False)
# A match would cross the border of two docs.
@example(["a B"], [["a"], ["B"]], False)
def test_mentions_are_those_of_a_slow_search(names, docs, ignore_case):
    finder = NameFinder([name_key(name) for name in names], ignore_case=ignore_case)
    found = finder.find(docs)
    expected = [slow_mentions(names, doc, ignore_case) for doc in docs]
    # The slow search gives the first of equal names.
    assert [[(start, end, name) for start, end, name in doc] for doc in found] == [
        [(start, end, finder.number_of[name]) for start, end, name in doc] for doc in expected
    ]


@pytest.mark.parametrize(
    ("names", "tokens", "expected"),
    [
        (["CIFAR - 10"], ["on", "CIFAR-10", "."], [(1, 2)]),
        (["CIFAR - 10"], ["on", "CIFAR", "-", "10"], [(1, 4)]),
        (["CIFAR"], ["on", "CIFAR-10"], []),
        (["neural net", "neural"], ["neural", "nets", "neural", "net"], [(0, 1), (2, 4)]),
        (["New York", "York Times"], ["New", "York", "Times"], [(0, 2)]),
        # A token without a visible character parts no name.
        (["New York"], ["New", "\u00ad", "York"], [(0, 3)]),
        (["New York"], ["New", "\n", "York"], [(0, 3)]),
    ],
)
def test_what_is_a_mention(names, tokens, expected):
    (found,) = NameFinder(names).find([tokens])
    assert [(start, end) for start, end, _ in found] == expected


def test_names_that_differ_in_white_space_are_one():
    finder = NameFinder(["C - 3", "C-3", "c"])
    assert finder.number_of == [0, 0, 1]
    assert NameFinder(["C", "c"], ignore_case=True).number_of == [0, 0]
