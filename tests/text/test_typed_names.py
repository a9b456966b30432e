"""Names with types: read from lists, found in docs, copied and pickled."""

import copy
import pickle

import numpy as np
import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.text.typed_names import TypedNames, read_typed_names

DOCS = [["we", "saw", "New", "York", "City"], [], ["York", "new york", "New", "York"]]


@pytest.fixture
def lists(tmp_path):
    """Write two lists; return their paths."""
    (tmp_path / "a.tsv").write_text("New York\tplace\nYork\tplace\t12\n", encoding="utf8")
    (tmp_path / "b.tsv").write_text("York\tperson\nYork\tplace\nNew  York City\tteam\n", encoding="utf8")
    return [str(tmp_path / "a.tsv"), str(tmp_path / "b.tsv")]


def found_in(names, docs=DOCS):
    """Return the mentions: first word, end, types."""
    mentions = []
    for start, end, number in names.find(docs).tolist():
        first, count = names.starts[number], names.counts[number]
        mentions.append((start, end, [names.types[i] for i in names.types_in_order[first : first + count]]))
    return mentions


def test_mentions_with_all_their_types(lists):
    names = read_typed_names(lists)
    assert names.types == ["person", "place", "team"]
    assert found_in(names) == [(2, 5, ["team"]), (5, 6, ["person", "place"]), (7, 9, ["place"])]
    # One list alone knows less.
    assert found_in(read_typed_names(lists[:1])) == [(2, 4, ["place"]), (5, 6, ["place"]), (7, 9, ["place"])]
    assert found_in(read_typed_names(lists, ignore_case=True))[2] == (6, 7, ["place"])


def test_no_mention_and_no_words(lists):
    names = read_typed_names(lists)
    for docs in ([], [[]], [["nothing"], []]):
        assert names.find(docs).shape == (0, 3)


def test_names_that_differ_in_case_alone_share_their_types():
    names = TypedNames(["York", "york"], [1, 0], ["a", "b"], ignore_case=True)
    assert found_in(names, [["YORK"]]) == [(0, 1, ["a", "b"])]


@pytest.mark.parametrize("ignore_case", [True, False])
def test_copies_find_the_same(lists, ignore_case):
    names = read_typed_names(lists, ignore_case=ignore_case)
    assert copy.deepcopy(names) is names
    again = pickle.loads(pickle.dumps(names))
    assert found_in(again) == found_in(names)
    np.testing.assert_array_equal(again.find(DOCS), names.find(DOCS))


def test_a_list_without_types(lists, tmp_path):
    (tmp_path / "plain.txt").write_text("New York\n", encoding="utf8")
    with pytest.raises(CrossnerError, match=r"C601. .*plain.txt: found names without types"):
        read_typed_names([lists[0], str(tmp_path / "plain.txt")])
