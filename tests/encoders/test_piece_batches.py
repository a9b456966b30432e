"""Batches of pieces against a plain way: one window at a time, in lists."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders.piece_batches import Windows, best_windows, make_batch
from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.word_pieces import Pieces, SpecialTokens

from .window_checks import VOCAB

BERT = SpecialTokens((1,), (2,), ((0,), 0, (0,)), 0, 0)
SPECIAL = [
    BERT,
    SpecialTokens((), (), ((), 0, ()), 0, 0),
    # XLNet: [CLS] at the end, with a type of its own, as the padding.
    SpecialTokens((), (4, 3), ((), 0, (0, 2)), 5, 3),
    SpecialTokens((1, 7), (), ((0, 1), 1, ()), 6, 0),
    SpecialTokens((1,), (2, 2), ((0,), 1, (0, 1)), 6, 1),
]
# The number of pieces of a word, whether a blank token follows, and whether it starts a sentence.
WORD = st.tuples(st.integers(0, 3) | st.integers(0, 20), st.integers(0, 9).map(lambda n: n == 0), st.booleans())
DOC = st.tuples(st.lists(WORD, max_size=25), st.booleans())


class CountsAsGiven:
    """What `PieceWindows` takes from a tokenizer."""

    def __init__(self, room, counts):
        self.room = room
        self.counts = counts

    def count(self, docs):
        return [self.counts[doc.user_data["i"]] for doc in docs]


def make_words(docs):
    """Return docs with numbers of pieces as words, and the numbers."""
    made, counts = [], []
    for i, (words, has_sentences) in enumerate(docs):
        # Not ASCII, or the text says that the doc fits.
        tokens = [each for _, blank, start in words for each in [("é", start), *[(" ", False)] * blank]]
        starts = [start or n == 0 for n, (_, start) in enumerate(tokens)] if has_sentences else None
        made.append(Doc(VOCAB, words=[text for text, _ in tokens], sent_starts=starts, user_data={"i": i}))
        counts.append([n for n, _, _ in words])
    return see_words(made), counts


def pieces_of(counts):
    flat = np.array([n for of_doc in counts for n in of_doc], dtype=np.int64)
    # No piece is equal to another one.
    return Pieces(flat, np.arange(100, 100 + flat.sum()))


def windows_by_hand(words, counts, pieces, overlap):
    """Return the windows by the layer that measures spans."""
    spans = PieceWindows(pieces, overlap).cut([each.doc for each in words], CountsAsGiven(pieces, counts))
    return [[(span.start, span.end) for span in of_doc] for of_doc in spans]


@st.composite
def settings(draw):
    pieces = draw(st.integers(1, 14))
    return {
        "special": draw(st.sampled_from(SPECIAL)),
        "pieces": pieces,
        "overlap": draw(st.integers(0, pieces - 1)),
        "more": draw(st.integers(0, 4)),
        "chunk_pieces": draw(st.integers(1, 80)),
    }


def check(docs, special, pieces, overlap, more, chunk_pieces):
    """Compare each place of a batch with lists.

    more (int): by how much the encoder's maximum is above that of a window.
    """
    words, counts = make_words(docs)
    found = pieces_of(counts)
    room = pieces + more
    arguments = words, found, special, Windows(pieces, overlap)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        maximum = room + len(special.before) + len(special.after)
        batch = make_batch(*arguments, maximum=maximum, chunk_pieces=chunk_pieces)
    cut = [n - room for of_doc in counts for n in of_doc if n > room]
    assert len(caught) == bool(cut)
    if cut:
        assert f"[W001] {len(cut)} token(s)" in str(caught[0].message)
        assert f"({maximum}, " in str(caught[0].message)
        assert f" {sum(cut)} piece(s)" in str(caught[0].message)

    of_word, at = [], 0
    for n in found.counts.tolist():
        of_word.append(found.ids[at : at + n].tolist()[:room])
        at += n
    # The place of each row and its width.
    widths = {place + i * width: width for place, rows, width in batch.chunks for i in range(rows)}
    assert sorted(batch.firsts.tolist()) == list(widths)
    covered = [i for place, width in widths.items() for i in range(place, place + width)]
    assert covered == list(range(len(batch.ids)))
    assert all(rows * width <= chunk_pieces or rows == 1 for _, rows, width in batch.chunks)
    kinds, of_text, kinds_after = special.types
    window = start = 0
    best = [(-1, 0)] * len(of_word)
    lengths = {}
    for i, of_doc in enumerate(windows_by_hand(words, counts, pieces, overlap)):
        for a, b in of_doc:
            body = [piece for word in range(start + a, start + b) for piece in of_word[word]]
            row = [*special.before, *body, *special.after]
            first, padding = int(batch.firsts[window]), widths[int(batch.firsts[window])] - len(row)
            places = slice(first, first + len(row) + padding)
            lengths[first] = max(len(row), 1)
            assert batch.ids[places].tolist() == row + [special.padding] * padding
            assert batch.mask[places].tolist() == [1] * lengths[first] + [0] * (len(row) + padding - lengths[first])
            types = [*kinds, *[of_text] * len(body), *kinds_after, *[special.padding_type] * padding]
            assert (types == [0] * len(types)) if batch.types is None else batch.types[places].tolist() == types
            assert batch.doc_of_window[window] == i
            place = first + len(special.before)
            for word in range(a, b):
                best[start + word] = max(best[start + word], (min(word - a, b - 1 - word), place), key=lambda x: x[0])
                place += len(of_word[start + word])
            window += 1
        start += len(counts[i])
    assert window == len(batch.firsts) == len(batch.doc_of_window)
    for place, rows, width in batch.chunks:
        assert width == max(lengths[place + i * width] for i in range(rows))
    # The place of a word without pieces is never read.
    has_pieces = [len(of_its) > 0 for of_its in of_word]
    expected = [place for (_, place), kept in zip(best, has_pieces, strict=True) if kept]
    assert batch.word_firsts[has_pieces].tolist() == expected
    assert batch.word_counts.tolist() == [len(word) for word in of_word]
    places, offsets = batch.word_places()
    assert batch.ids[places].tolist() == [piece for word in of_word for piece in word]
    assert np.split(batch.ids[places], offsets[1:])[-1].tolist() == of_word[-1]


@given(docs=st.lists(DOC, min_size=1, max_size=5).filter(lambda docs: any(words for words, _ in docs)), how=settings())
def test_every_place_of_a_batch(docs, how):
    check(docs, **how)


def test_pieces_that_are_cut_off_and_pieces_in_two_windows_in_equal_numbers():
    # Six pieces in windows of four that share two, and a word of six pieces of which an encoder takes four.
    docs = [([(1, False, False)] * 6, False), ([(6, False, False)], False)]
    check(docs, BERT, pieces=4, overlap=2, more=0, chunk_pieces=100)


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("chunk_pieces", [1, 7, 1000])
def test_words_without_pieces(special, chunk_pieces):
    nothing = (0, True, False)
    docs = [([nothing] * 3, False), ([], False), ([(2, False, False), nothing, (9, False, True), nothing], True)]
    check(docs, special, pieces=4, overlap=1, more=2, chunk_pieces=chunk_pieces)
    check([([nothing], False), ([], True)], special, pieces=4, overlap=1, more=2, chunk_pieces=chunk_pieces)


def test_types_are_left_out_where_all_are_0():
    words, counts = make_words([([(1, False, False)], False)])
    found = [
        make_batch(words, pieces_of(counts), special, Windows(4, 1), maximum=8, chunk_pieces=9).types
        for special in SPECIAL
    ]
    assert [types is None for types in found] == [True, True, False, False, False]


def test_the_best_window_by_hand():
    first, last = np.array([0, 2, 5, 9]), np.array([5, 8, 9, 10])
    # Distances from the nearer end: 0 1 2 1 0, then 0 1 2 2 1 0 from word 2, then 0 1 1 0 from word 5.
    assert best_windows(first, last, 10).tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]
