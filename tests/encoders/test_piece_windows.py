"""Where windows are cut: between sentences, else between tokens, with an overlap."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from spacy_crossner.encoders.piece_windows import PieceWindows, cut_tokens, tokenize_windows
from spacy_crossner.encoders.pieces import PieceTokenizer
from spacy_crossner.errors import CrossnerError

from .window_checks import bounds, make_doc, make_words


def windows_of(encoder, getter, docs):
    tokenizer = PieceTokenizer(AutoTokenizer.from_pretrained(encoder), 64)
    cut = getter.cut(docs, tokenizer)
    windows, _ = tokenize_windows(cut, tokenizer)
    # The windows fit as they were cut.
    assert windows == cut
    return windows


@pytest.mark.parametrize(("pieces", "overlap"), [(0, 0), (-1, 0), (8, 8), (8, 9), (8, -1)])
def test_settings_out_of_range_are_refused(pieces, overlap):
    with pytest.raises(CrossnerError, match="C025"):
        PieceWindows(pieces, overlap)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=40),
    st.integers(1, 20),
    st.integers(0, 19),
    st.integers(0, 3),
)
def test_cut_tokens(pieces, limit, overlap, start):
    overlap, start = min(overlap, limit - 1), min(start, len(pieces) - 1)
    windows = cut_tokens(pieces, start, len(pieces), limit, overlap)
    assert {i for first, end in windows for i in range(first, end)} == set(range(start, len(pieces)))
    for first, end in windows:
        assert sum(pieces[first:end]) <= limit or end - first == 1
        # As long as can be.
        assert end == len(pieces) or sum(pieces[first : end + 1]) > limit
    for (first, end), (next_first, next_end) in pairwise(windows):
        assert first < next_first <= end < next_end
        shared = sum(pieces[next_first:end])
        assert shared <= overlap
        # As much as can be.
        if next_first > first + 1:
            more = shared + pieces[next_first - 1]
            assert more > overlap or more + pieces[end] > limit


def test_cut_tokens_by_hand():
    assert cut_tokens([1] * 10, 0, 10, 4, 2) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert cut_tokens([1, 1, 9, 1, 1], 0, 5, 4, 2) == [(0, 2), (2, 3), (3, 5)]
    assert cut_tokens([2, 2, 4, 2], 0, 4, 4, 2) == [(0, 2), (2, 3), (3, 4)]
    assert cut_tokens([2, 1, 1, 3], 1, 4, 4, 3) == [(1, 3), (2, 4)]


def test_a_doc_that_fits_is_one_window(tiny_encoder):
    docs = [make_doc(["ada"] * 60, {0, 20, 40}), make_doc([]), make_doc(["the", "lab"]), make_doc(["ada"] * 62)]
    spans = windows_of(tiny_encoder, PieceWindows(), docs)
    assert [bounds(part) for part in spans] == [[(0, 60)], [], [(0, 2)], [(0, 62)]]


def test_windows_are_made_of_whole_sentences(tiny_encoder):
    # 20 sentences of 10 words of one piece: 4 to a window of 44 pieces.
    doc = make_doc(["ada"] * 200, set(range(0, 200, 10)))
    (spans,) = windows_of(tiny_encoder, PieceWindows(44, 12), [doc])
    assert bounds(spans) == [(start, start + 40) for start in range(0, 200, 40)]


def test_only_a_sentence_that_does_not_fit_is_cut(tiny_encoder):
    doc = make_doc(["ada"] * 60, {0, 5, 10, 30, 40, 45})
    (spans,) = windows_of(tiny_encoder, PieceWindows(12, 4), [doc])
    inside = [(10, 22), (18, 30)]
    assert bounds(spans) == [(0, 10), *inside, (30, 40), (40, 45), (45, 57), (53, 60)]


def test_windows_without_sentences_overlap_and_keep_the_limit(tiny_encoder):
    doc = make_doc(make_words(300))
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    (spans,) = windows_of(tiny_encoder, PieceWindows(40, 10), [doc])
    lengths = [len(tokenizer.tokenize(span.text)) for span in spans]
    assert max(lengths) <= 40
    assert min(lengths[:-1]) > 30
    shared = [len(tokenizer.tokenize(doc[b.start : a.end].text)) for a, b in pairwise(spans)]
    assert max(shared) <= 10
    assert min(shared) > 0


def test_without_a_tokenizer_a_character_counts_as_a_piece():
    getter = PieceWindows(10, 2)
    (short, empty, long) = getter([make_doc(["ada", "met"]), make_doc([]), make_doc(["ada", "x", "lab", "y", "paris"])])
    assert (bounds(short), bounds(empty), bounds(long)) == ([(0, 2)], [], [(0, 4), (3, 5)])
