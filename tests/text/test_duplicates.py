import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from spacy.strings import hash_string

from spacy_crossner.text.duplicates import SLOTS, DuplicateFilter


@given(st.lists(st.lists(st.text("ab é", max_size=3), max_size=30), max_size=5))
def test_the_first_of_each_kind(batches):
    duplicates = DuplicateFilter(1)
    seen = set()
    for keys in batches:
        expected = []
        for key in keys:
            expected.append(key not in seen)
            seen.add(key)
        assert duplicates.first_seen(keys).tolist() == expected


def test_hardly_any_is_lost_and_none_forgotten_up_to_a_quarter_full():
    # A chance of at most 4 / 2 ** 32 for each of 65,536: one in 16,000 runs of other keys would lose one.
    duplicates = DuplicateFilter(1)
    batches = [[f"sentence {i}" for i in range(start, start + 8192)] for start in range(0, 65_536, 8192)]
    assert all(duplicates.first_seen(batch).all() for batch in batches)
    assert duplicates.forgotten == 0
    assert not any(duplicates.first_seen(batch).any() for batch in batches)


def test_a_full_filter_forgets_and_loses_nothing():
    duplicates = DuplicateFilter(1)
    room = duplicates.buckets.size
    assert room == 262_144
    for start in range(0, 2 * room, 65_536):
        assert duplicates.first_seen([str(i) for i in range(start, start + 65_536)]).all()
    assert duplicates.buckets.nbytes == 2**20
    # What was forgotten and what is there is all that was seen.
    assert duplicates.forgotten + np.count_nonzero(duplicates.buckets) == 2 * room
    assert duplicates.forgotten > 0.99 * room
    # The last ones are remembered still, but for buckets that got more than their slots since.
    last = duplicates.first_seen([str(i) for i in range(2 * room - 10_000, 2 * room)])
    assert last.mean() < 0.01
    # The first ones are mostly gone, and are new again.
    assert duplicates.first_seen([str(i) for i in range(10_000)]).mean() > 0.9


def test_the_chance_to_lose_a_sentence(monkeypatch):
    # With fingerprints of 8 bits in place of 32 it is large enough to be seen: SLOTS / 256 in a full filter, less what
    # two slots share.
    def short_hash(key):
        full = hash_string(key)
        return full >> 32 << 32 | full & 0xFF

    monkeypatch.setattr("spacy_crossner.text.duplicates.hash_string", short_hash)
    duplicates = DuplicateFilter(1)
    rng = np.random.default_rng(0)
    duplicates.buckets[:] = rng.integers(1, 256, duplicates.buckets.shape)
    lost = 1 - duplicates.first_seen([str(i) for i in range(10_000)]).mean()
    assert abs(lost - (1 - (1 - 1 / 256) ** SLOTS)) < 0.015
