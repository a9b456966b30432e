"""Windows: the cores cover every token once, and lie within their windows."""

from itertools import pairwise

import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.doc_windows import chunk_windows, plan_windows

VOCAB = spacy.blank("en").vocab


@st.composite
def docs_and_sizes(draw):
    size = draw(st.integers(1, 12))
    overlap = draw(st.integers(0, size - 1))
    docs = []
    for _ in range(draw(st.integers(1, 3))):
        length = draw(st.integers(0, 40))
        starts = [i == 0 or draw(st.booleans()) for i in range(length)] if draw(st.booleans()) else None
        docs.append(Doc(VOCAB, words=["a"] * length, sent_starts=starts))
    return docs, size, overlap


@given(docs_and_sizes())
def test_cores_cover_each_doc_once(case):
    docs, size, overlap = case
    windows = plan_windows(see_words(docs), size, overlap)
    for i, doc in enumerate(docs):
        mine = [window for window in windows if window.doc == i]
        cores = [token for window in mine for token in range(window.core_start, window.core_end)]
        assert cores == list(range(len(doc)))
        assert all(w.start <= w.core_start < w.core_end <= w.end <= w.start + size for w in mine)
        if len(doc) <= size:
            assert len(mine) == min(1, len(doc))
        elif doc.has_annotation("SENT_START"):
            # A border that is not a sentence's lies in a sentence that fits no window.
            for window in mine:
                sent = doc[window.core_start].sent
                assert window.core_start == sent.start or len(sent) > size
        else:
            assert all(a.end - b.start == overlap for a, b in pairwise(mine))


def test_sentences_are_packed():
    doc = Doc(VOCAB, words=["a"] * 10, sent_starts=[i in (0, 3, 5, 9) for i in range(10)])
    windows = plan_windows(see_words([doc]), 5, 2)
    assert [(window.start, window.end) for window in windows] == [(0, 5), (5, 10)]


@given(docs_and_sizes(), st.integers(1, 60))
def test_chunks_hold_all_windows_and_little_padding(case, max_tokens):
    docs, size, overlap = case
    windows = plan_windows(see_words(docs), size, overlap)
    chunks = list(chunk_windows(windows, max_tokens))
    assert sorted(window for chunk in chunks for window in chunk) == sorted(windows)
    for chunk in chunks:
        assert len(chunk) == 1 or len(chunk) * max(w.end - w.start for w in chunk) <= max_tokens
