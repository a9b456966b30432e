"""Padded batches of word pieces for an encoder, and the place of each word in its output. All on arrays."""

from dataclasses import dataclass
from typing import List, Optional, Tuple
from warnings import warn

import numpy as np
from numpy.typing import NDArray

from ..annotations.words import WordBatch
from ..errors import Warnings
from .word_pieces import Pieces, SpecialTokens, ranges


@dataclass
class PieceBatch:
    """The windows of a batch of docs as padded rows, in chunks of similar lengths.

    Row after row and chunk after chunk, the rows lie in flat arrays of n_places elements, padding included.

    ids (NDArray): the pieces, int64, shape (n_places,).
    mask (NDArray): 1 at pieces and 0 at padding, int64, shape (n_places,).
    types (Optional[NDArray]): token types, int64, shape (n_places,); None if all are 0.
    chunks (List[Tuple[int, int, int]]): first place, number of rows and width of each chunk.
    firsts (NDArray): place of the first piece of each window, in order of the docs, shape (n_windows,).
    doc_of_window (NDArray): index of the doc of each window, shape (n_windows,).
    word_firsts (NDArray): place of the first piece of each word, shape (n_words,).
    word_counts (NDArray): number of pieces of each word in its window, shape (n_words,).
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: Optional[NDArray[np.int64]]
    chunks: List[Tuple[int, int, int]]
    firsts: NDArray[np.int64]
    doc_of_window: NDArray[np.int64]
    word_firsts: NDArray[np.int64]
    word_counts: NDArray[np.int64]

    def word_places(self) -> Tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of the pieces of all words, shape (n_pieces,), and where each word begins, (n_words,)."""
        return ranges(self.word_firsts, self.word_counts), np.cumsum(self.word_counts) - self.word_counts


class Windows:
    """Windows over docs in word pieces; each word is in a window.

    A doc that fits is one window. A longer doc is cut between sentences, with as many sentences in a window as fit. A
    sentence that does not fit, or a long doc without sentence boundaries, is cut into windows that overlap. A word with
    more pieces than a window is a window by itself.

    pieces (int): maximum of word pieces in a window, special tokens not counted.
    overlap (int): maximum of word pieces that two neighbouring windows share.
    """

    def __init__(self, pieces: int, overlap: int) -> None:
        self.pieces = pieces
        self.overlap = overlap

    def __call__(
        self, words: WordBatch, ends: NDArray[np.int64]
    ) -> Tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Cut docs into windows.

        words (WordBatch): the words of the docs.
        ends (NDArray): number of pieces up to each word, shape (1 + n_words,).
        RETURNS (Tuple[NDArray, NDArray, NDArray]): first word, end (exclusive) and doc of each window. The words are
            counted through the batch.
        """
        doc_ends = np.cumsum(words.lengths)
        doc_starts = doc_ends - words.lengths
        long = (ends[doc_ends] - ends[doc_starts] > self.pieces).tolist()
        if not any(long):
            (docs,) = words.lengths.nonzero()
            return doc_starts[docs], doc_ends[docs], docs
        cut: List[Tuple[int, int, int]] = []
        for i, (start, end) in enumerate(zip(doc_starts.tolist(), doc_ends.tolist(), strict=True)):
            if long[i]:
                starts = words[i].sentence_starts()
                sentences = [start] if starts is None else (start + np.flatnonzero(starts)).tolist()
                cut += [(a, b, i) for a, b in self.cut_doc(ends, sentences, end)]
            elif end > start:
                cut.append((start, end, i))
        first, last, doc = np.array(cut, dtype=np.int64).T
        return first, last, doc

    def cut_doc(self, ends: NDArray[np.int64], sentences: List[int], end: int) -> List[Tuple[int, int]]:
        """Return first word and end of each window of a doc.

        ends (NDArray): see `__call__`.
        sentences (List[int]): the first word of each sentence.
        end (int): the end of the doc, exclusive.
        """
        windows: List[Tuple[int, int]] = []
        room = 0
        for start, stop in zip(sentences, [*sentences[1:], end], strict=True):
            size = int(ends[stop] - ends[start])
            if size > self.pieces:
                windows += self.cut_sentence(ends, start, stop)
                room = 0
            elif windows and size <= room:
                windows[-1] = (windows[-1][0], stop)
                room -= size
            else:
                windows.append((start, stop))
                room = self.pieces - size
        return windows

    def cut_sentence(self, ends: NDArray[np.int64], start: int, end: int) -> List[Tuple[int, int]]:
        """Return first word and end of each of the windows that cover words `start` to `end` and overlap."""
        windows: List[Tuple[int, int]] = []
        first = stop = start
        while stop < end:
            # The window is filled up; it takes at least one word that no window before it has.
            full = int(np.searchsorted(ends, ends[first] + self.pieces, side="right")) - 1
            stop = min(max(full, stop + 1), end)
            windows.append((first, stop))
            if stop < end:
                # The overlap must leave room for the next word.
                room = min(self.overlap, self.pieces - int(ends[stop + 1] - ends[stop]))
                back = int(np.searchsorted(ends, ends[stop] - room)) if room >= 0 else stop
                first = max(back, first + 1)
        return windows


def best_windows(first: NDArray[np.int64], last: NDArray[np.int64], n_words: int) -> NDArray[np.int64]:
    """Return for each word the window in which its distance from the nearer end is largest, shape (n_words,).

    Near the end of a window, a vector lacks context. Of two equal windows the first is taken.

    first (NDArray): first word of each window, shape (n_windows,).
    last (NDArray): end of each window, exclusive, shape (n_windows,).
    n_words (int): number of words of all docs; each is in a window.
    """
    sizes = last - first
    if int(sizes.sum()) == n_words:
        # No word is in two windows.
        return np.repeat(np.arange(len(first)), sizes)
    best = np.zeros(n_words, dtype=np.int64)
    context = np.full(n_words, -1)
    for window, (start, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        places = np.arange(end - start)
        to_end = np.minimum(places, places[::-1])
        better = to_end > context[start:end]
        best[start:end][better] = window
        context[start:end][better] = to_end[better]
    return best


def make_batch(
    words: WordBatch, pieces: Pieces, special: SpecialTokens, windows: Windows, *, maximum: int, chunk_pieces: int
) -> PieceBatch:
    """Arrange the pieces of docs in padded rows.

    words (WordBatch): the words of the docs; at least one doc has words.
    pieces (Pieces): their pieces.
    special (SpecialTokens): the special tokens of each row.
    windows (Windows): cuts the docs.
    maximum (int): maximum of pieces that the encoder takes at once, special tokens included. Only a window of one word
        may have more: the word gives its first pieces, and a warning gives the number of pieces that are left out.
    chunk_pieces (int): maximum of pieces in a chunk, padding included; a longer window is a chunk by itself.
    """
    ends = np.zeros(len(pieces.counts) + 1, dtype=np.int64)
    np.cumsum(pieces.counts, out=ends[1:])
    first, last, doc_of_window = windows(words, ends)
    n_before, n_special = len(special.before), len(special.before) + len(special.after)
    room = max(maximum - n_special, 1)
    bodies = ends[last] - ends[first]
    word_counts = pieces.counts
    if len(bodies) and int(bodies.max()) > room:
        excess = bodies[bodies > room] - room
        warn(Warnings.W001.format(tokens=len(excess), pieces=int(excess.sum()), maximum=maximum), stacklevel=2)
        bodies, word_counts = np.minimum(bodies, room), np.minimum(word_counts, room)
    # A window without pieces attends to one place of padding, because attention to nothing gives NaN.
    lengths = np.maximum(bodies + n_special, 1)
    order = np.argsort(lengths, kind="stable")
    chunks, rows_of_chunk, n_places = _chunk(lengths[order].tolist(), chunk_pieces)
    base = np.zeros(len(lengths), dtype=np.int64)
    base[order] = np.repeat([place for place, _, _ in chunks], rows_of_chunk) + np.concatenate(
        [np.arange(rows) * width for _, rows, width in chunks]
    )
    ids = np.full(n_places, special.padding, dtype=np.int64)
    mask = np.zeros(n_places, dtype=np.int64)
    mask[base] = 1
    of_body = ranges(base + n_before, bodies)
    # The same pieces in the same order, unless a word is in two windows or is cut.
    is_whole = word_counts is pieces.counts and int(bodies.sum()) == len(pieces.ids)
    ids[of_body] = pieces.ids if is_whole else pieces.ids[ranges(ends[first], bodies)]
    mask[of_body] = 1
    types = None
    before, of_text, after = special.types
    if any(before) or of_text or any(after) or special.padding_type:
        types = np.full(n_places, special.padding_type, dtype=np.int64)
        types[of_body] = of_text
    for i, piece in enumerate(special.before):
        ids[base + i] = piece
        mask[base + i] = 1
        if types is not None:
            types[base + i] = before[i]
    for i, piece in enumerate(special.after):
        place = base + n_before + bodies + i
        ids[place] = piece
        mask[place] = 1
        if types is not None:
            types[place] = after[i]
    window_of_word = best_windows(first, last, len(pieces.counts))
    word_firsts = (base + n_before - ends[first])[window_of_word] + ends[:-1]
    return PieceBatch(ids, mask, types, chunks, base, doc_of_window, word_firsts, word_counts)


def _chunk(lengths: List[int], limit: int) -> Tuple[List[Tuple[int, int, int]], List[int], int]:
    """Group rows of ascending lengths.

    RETURNS (Tuple): first place, number of rows and width of each chunk; the numbers of rows; the number of places.
    """
    chunks: List[Tuple[int, int, int]] = []
    place = start = 0
    for i, length in enumerate(lengths):
        # The lengths ascend, so this row is the longest of the chunk.
        if i > start and (i + 1 - start) * length > limit:
            rows, width = i - start, lengths[i - 1]
            chunks.append((place, rows, width))
            place, start = place + rows * width, i
    if lengths:
        rows, width = len(lengths) - start, lengths[-1]
        chunks.append((place, rows, width))
        place += rows * width
    return chunks, [rows for _, rows, _ in chunks], place
