"""A subset drawn by seed: which sentences it has, and how its types are spread."""

from collections import Counter
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from spacy_crossner.data.subsets import draw_subset

TYPES = st.lists(st.frozensets(st.sampled_from("abcdef"), max_size=3), min_size=1, max_size=40)
SEEDS = st.integers(0, 2**32)


def draw(types, size, seed):
    """Return the places of the drawn sentences."""
    return draw_subset(range(len(types)), types, size, seed)


def names(types, places=None):
    """Count the sentences of each type; those without an entity have the type ""."""
    places = range(len(types)) if places is None else places
    return Counter(name for i in places for name in types[i] or [""])


@given(TYPES, SEEDS, st.data())
def test_a_subset_has_its_size_the_order_of_the_set_and_no_sentence_twice(types, seed, data):
    size = data.draw(st.integers(0, len(types) + 3))
    drawn = draw(types, size, seed)
    assert len(drawn) == min(size, len(types))
    assert drawn == sorted(set(drawn))
    assert drawn == draw(types, size, seed)
    # Names of types do not depend on the hash of a string.
    assert drawn == draw([sorted(found, reverse=True) for found in types], size, seed)


@given(TYPES, SEEDS)
def test_subsets_of_one_seed_are_nested(types, seed):
    subsets = [set(draw(types, size, seed)) for size in range(len(types) + 1)]
    assert all(small < large for small, large in pairwise(subsets))


@given(TYPES, SEEDS)
def test_every_type_occurs_once_there_are_as_many_sentences_as_types(types, seed):
    every = names(types)
    size = len(every)
    assert names(types, draw(types, size, seed)).keys() == every.keys()
    # With fewer sentences the types that are missing are not rarer than the first one drawn.
    (first,) = draw(types, 1, seed)
    rarest = min(every.values())
    assert min(every[name] for name in types[first] or [""]) == rarest


@given(st.lists(st.sampled_from(["", "a", "b", "c", "d"]), min_size=1, max_size=60), SEEDS, st.data())
def test_where_a_sentence_has_one_type_each_type_has_its_share(kinds, seed, data):
    types = [{kind} if kind else set() for kind in kinds]
    every = names(types)
    size = data.draw(st.integers(1, len(types)))
    assume(all(n * size >= len(types) for n in every.values()))
    drawn = names(types, draw(types, size, seed))
    for name, n in every.items():
        # The first sentences of rare types may push a common one down: by at most one for each type.
        assert abs(drawn[name] - n * size / len(types)) <= len(every)


def test_a_small_subset_has_the_spread_of_the_set():
    # Of 20 sentences the shares are 12, 6, 1.8 and 0.2. The rarest type has its one sentence; "a" gives way to it.
    types = [set()] * 60 + [{"a"}] * 30 + [{"b"}] * 9 + [{"c"}]
    for seed in range(20):
        assert names(types, draw(types, 20, seed)) == {"": 12, "a": 5, "b": 2, "c": 1}


def test_seeds_draw_different_sentences_evenly():
    types = [{"a"}] * 10 + [{"b"}] * 10
    drawn = Counter(i for seed in range(2000) for i in draw(types, 4, seed))
    # Each of 20 sentences is expected 400 times, with a standard deviation of 18.
    assert set(drawn) == set(range(20))
    assert max(abs(n - 400) for n in drawn.values()) < 90
    assert len({tuple(draw(types, 4, seed)) for seed in range(50)}) > 40
