from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.encoders.chunks import chunk_by_length


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(1, 100))
def test_chunks_hold_all_sequences_by_length_within_the_limit(lengths, limit):
    chunks = chunk_by_length(lengths, limit)
    assert sorted(i for chunk in chunks for i in chunk) == list(range(len(lengths)))
    assert all(chunk == sorted(chunk) for chunk in chunks)
    assert all(len(chunk) == 1 or len(chunk) * max(lengths[i] for i in chunk) <= limit for chunk in chunks)
    for longer, shorter in pairwise(chunks):
        lowest, highest = min(lengths[i] for i in longer), max(lengths[i] for i in shorter)
        assert lowest >= highest
        # The next sequence by length did not fit into the chunk of shorter ones.
        assert lowest * (len(shorter) + 1) > limit
