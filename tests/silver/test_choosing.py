"""The choice of sentences: weights by hand, the draw against the probabilities that it is to have."""

from collections import Counter

import numpy as np
import pytest

from spacy_crossner.silver.annotating import Annotation
from spacy_crossner.silver.choosing import Draw, draw_key, rarity_of_types, weigh
from spacy_crossner.silver.near_duplicates import NearDuplicates


def test_rarity_is_the_inverse_frequency():
    # One is added to each count: 4, 2, 1 and 1 of 8, whose mean is 2.
    assert rarity_of_types(Counter({"a": 3, "b": 1, "c": 0, "d": 0})) == {"a": 0.5, "b": 1.0, "c": 2.0, "d": 2.0}
    assert rarity_of_types(Counter()) == {}


def test_the_weight_of_a_sentence():
    outside = np.array([False, False, True, True, False, False, False, True])
    annotation = Annotation([(0, 1, "a"), (1, 2, "c"), (4, 5, "new")], outside)
    # Rarity (0.5 + 2 + 1) / 3; three of eight tokens inside and three outside.
    assert weigh(annotation, {"a": 0.5, "c": 2.0}) == pytest.approx(3.5 / 3 * (6 / 8) ** 2)


def test_sentences_are_drawn_in_proportion_to_their_weights():
    wins = Counter()
    for i in range(4000):
        keys = {name: draw_key(f"{name} {i}", weight) for name, weight in (("a", 1.0), ("b", 2.0), ("c", 5.0))}
        wins[max(keys, key=keys.get)] += 1
    assert {name: wins[name] / 4000 for name in "abc"} == pytest.approx({"a": 1 / 8, "b": 2 / 8, "c": 5 / 8}, abs=0.03)


def test_the_largest_keys_stay_in_the_order_of_the_text():
    rng = np.random.default_rng(0)
    rows = [(float(key), place, f"doc {place}") for place, key in enumerate(rng.permutation(50))]
    draw = Draw(7)
    for row in rows:
        admitted = draw.admits(row[0])
        draw.add([row])
        assert admitted == (row in draw.heap)
    expected = sorted(sorted(rows)[-7:], key=lambda row: row[1])
    assert draw.docs() == [doc for _, _, doc in expected]


def test_near_duplicates():
    words = [
        "the",
        "network",
        "learns",
        "to",
        "find",
        "a",
        "path",
        "from",
        "the",
        "first",
        "room",
        "of",
        "the",
        "old",
        "house",
        "to",
        "the",
        "garden",
        "behind",
        "it",
    ]
    sentence = " ".join(words)
    near = NearDuplicates(1)
    other = "a model of the house finds no path , and the first garden is behind the network of the old rooms ."
    lines = [sentence, other, sentence.upper() + " .", sentence.replace("path", "path 12 ,"), sentence + " there"]
    assert near.first_seen(lines).tolist() == [True, True, False, False, False]
    # The filter remembers earlier calls.
    assert near.first_seen([sentence, "Yes .", "No .", "yes", "12 %"]).tolist() == [False, True, True, False, True]


@pytest.mark.parametrize(("changed", "low", "high"), [(1, 0.7, 1.0), (8, 0.0, 0.15)])
def test_the_share_of_near_duplicates_that_is_found(changed, low, high):
    rng = np.random.default_rng(1)
    found = []
    for i in range(100):
        words = [
            f"{'abcdefghij'[k]}{'klmnopqrst'[j]}{'x' * (i % 7)}{chr(97 + i % 26)}"
            for j, k in rng.integers(0, 10, (24, 2))
        ]
        copy = list(words)
        for place in rng.choice(24, changed, replace=False):
            copy[place] = "other"
        found.append(not NearDuplicates(1).first_seen([" ".join(words), " ".join(copy)])[1])
    assert low <= np.mean(found) <= high
