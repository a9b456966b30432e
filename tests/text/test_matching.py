import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_crossner.data.normal_form import name_key
from spacy_crossner.errors import CrossnerError
from spacy_crossner.text.entities import EntityList
from spacy_crossner.text.matching import FIRST_BYTES, OTHER_BYTES, UNKNOWN, EntityMatcher, make_codes

# Few words, so that names overlap, are prefixes of others and stand twice; letters outside ASCII, letters whose
# folding is longer, marks, symbols of one and of four bytes.
PIECES = [
    "a",
    "b",
    "A",
    "ab",
    "aB",
    "a_1",
    "ß",
    "SS",
    "İ",
    "é",
    "e\u0301",
    "𝔸",
    "中",
    "longer_than_eight",
    "longer_than",
]
SYMBOLS = [" ", " ", " ", "  ", "-", ".", "+", "…", "😀", ", "]
TEXT = st.lists(st.sampled_from(PIECES + SYMBOLS), max_size=14).map("".join)
NAME = st.lists(st.sampled_from(PIECES + SYMBOLS), min_size=1, max_size=5).map("".join).filter(str.strip)


def naive_tokens(text):
    tokens, in_word = [], False
    for character in text:
        is_word = unicodedata.category(character)[0] in "LMN" or character == "_"
        if is_word and in_word:
            tokens[-1] += character
        elif not character.isspace():
            tokens.append(character)
        in_word = is_word
    return tokens


def naive_mentions(names, text):
    """Return the names found in a text, from left to right, the longest at each place."""
    names, tokens = [naive_tokens(name) for name in names], naive_tokens(text)
    found, start = [], 0
    while start < len(tokens):
        here = [name for name in names if tokens[start : start + len(name)] == name]
        found += [tuple(max(here, key=len))] if here else []
        start += max(map(len, here), default=1)
    return found


def make_matcher(names, types=None, special=(), **settings):
    names = [" ".join(name.split()) for name in names]
    return EntityMatcher(EntityList(Path("list.tsv"), names, types), special, **settings)


@given(
    st.lists(st.tuples(NAME, st.sampled_from("xyz")), min_size=1, max_size=12),
    st.lists(TEXT, min_size=1, max_size=6),
    st.booleans(),
    st.sets(st.sampled_from("xyz")),
)
# A longer name that is cut short, and a shorter one within it that is not.
@example([("a b ab", "x"), ("b", "y")], ["a b a", "a b", "ab a b ab"], False, {"y"})
@example([("SS", "x"), ("ß", "y")], ["ß SS ss", "aß"], True, {"y"})
def test_mentions_are_those_of_a_naive_matcher(listed, lines, ignore_case, special):
    special &= {kind for _, kind in listed}
    matcher = make_matcher(*zip(*listed, strict=True), special, ignore_case=ignore_case)
    lines = [" ".join(line.split()) for line in lines]
    listed = [(name_key(name, ignore_case=ignore_case), kind) for name, kind in listed]
    lines = [name_key(line, ignore_case=ignore_case) for line in lines]
    types = {}
    for name, kind in listed:
        types.setdefault(tuple(naive_tokens(name)), set()).add(kind)
    found = [naive_mentions([name for name, _ in listed], line) for line in lines]
    mentions, special_mentions = matcher.count(lines)
    assert mentions.tolist() == [len(names) for names in found]
    wanted = special or set("xyz")
    assert special_mentions.tolist() == [sum(bool(types[name] & wanted) for name in names) for names in found]


@pytest.mark.parametrize(
    ("names", "text", "mentions"),
    [
        (["net"], "net nets internet net_2 net2 net-work, (net) the.net", 4),
        (["neural net", "neural"], "neural nets, neural net", 2),
        (["New York", "New York Times", "Times Square"], "New York Times Square", 1),
        (["C++", "C"], "C++11 and C, CC", 2),
        (["C++", "C"], "C++ 11", 1),
        (["CIFAR - 10"], "CIFAR-10, CIFAR - 10, CIFAR -100", 2),
        (["a a"], "a a a a a", 2),
        # Composed or decomposed, in the list or in the text; what cannot be seen parts no word.
        (["Müller", "ü"], "Müller, Mu\u0308ller", 2),
        (["Mu\u0308ller"], "Müller, Mu\u0308ller, Muller", 2),
        (["Größe"], "Grö\u00adße, Gro\u0308\u200bße", 2),
        (["O'Brien", "Jean-Luc"], "O’Brien, Jean–Luc, O´Brien, Jean‑Luc", 4),
        (["O’Brien"], "O'Brien, O Brien", 1),
        (["\ufb01nance"], "finance, \ufb01nance", 2),
        (["Kinect"], "Kinect™", 1),
        (["a"], "b\nb", 0),
    ],
)
def test_what_is_a_mention(names, text, mentions):
    assert make_matcher(names).count(text.split("\n"))[0].sum() == mentions


def test_each_line_has_its_own_counts():
    mentions, special = make_matcher(["a b", "c"], ["x", "y"], ["y"]).count(["a b c", "a", "b c", "c c c a b"])
    assert mentions.tolist() == [2, 0, 1, 4]
    assert special.tolist() == [1, 0, 1, 3]


def test_names_without_types_are_all_special():
    mentions, special = make_matcher(["a", "b"]).count(["a b x"])
    assert mentions.tolist() == special.tolist() == [2]


def test_unknown_types():
    with pytest.raises(CrossnerError, match=r"\[C407\] list.tsv has no type 'z'; it has x, y\."):
        make_matcher(["a", "b"], ["x", "y"], ["x", "z"])
    with pytest.raises(CrossnerError, match="it has names without types"):
        make_matcher(["a", "b"], None, ["x"])


@pytest.mark.parametrize("n_words", [1, 64, 65, FIRST_BYTES * OTHER_BYTES, FIRST_BYTES * OTHER_BYTES + 1])
def test_codes_do_not_stand_within_others(n_words):
    codes = make_codes(n_words)
    assert codes.shape == (n_words + 1, 1 + (n_words > 64) + (n_words > FIRST_BYTES * OTHER_BYTES))
    assert len(np.unique(codes, axis=0)) == n_words + 1
    assert (codes[1:, 0] < FIRST_BYTES).all()
    assert (codes[1:, 1:] >= FIRST_BYTES).all()
    assert (codes[1:] < UNKNOWN).all()
    assert (codes[0] == UNKNOWN).all()
