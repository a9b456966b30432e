"""Windows of long docs. A head sees one window at a time, so that its memory does not grow with the doc."""

from dataclasses import dataclass, replace
from typing import Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from torch import Tensor

from ..annotations.words import WordBatch, Words, see_words
from ..tuning import DECODED_TOKENS


class Window(NamedTuple):
    """A range of a doc's words. Entities that begin in its core are taken from this window; the rest is context.

    doc (int): index of the doc in the batch.
    start (int): first word.
    end (int): end, exclusive.
    core_start (int): first word of the core.
    core_end (int): end of the core, exclusive. The cores of a doc are adjacent and cover the doc.
    """

    doc: int
    start: int
    end: int
    core_start: int
    core_end: int


@dataclass(frozen=True)
class Rows:
    """The input of a head: each window of each doc is a row. Docs without words have no row.

    words (WordBatch): the words of the docs.
    windows (Sequence[Window]): the window of each row.
    tags (Optional[Tensor]): in training, the gold tag indices, shape (n_rows, longest row), -1 where unknown.
    """

    words: WordBatch
    windows: Sequence[Window]
    tags: Optional[Tensor] = None

    def places(self) -> Optional[NDArray[np.int64]]:
        """Return the place of each word of each row among the words of all docs; None if the rows are the docs."""
        lengths = self.words.lengths
        docs = lengths.nonzero()[0].tolist()
        if [window.doc for window in self.windows] == docs and sum(map(_length, self.windows)) == int(lengths.sum()):
            return None
        doc, start, end, _, _ = np.array(self.windows, dtype=np.int64).T
        of_row = end - start
        firsts = (np.cumsum(lengths) - lengths)[doc] + start
        return np.repeat(firsts - np.cumsum(of_row) + of_row, of_row) + np.arange(int(of_row.sum()))

    def lengths(self) -> NDArray[np.int64]:
        """Return the number of words of each row."""
        return np.array([_length(window) for window in self.windows], dtype=np.int64)

    def docs(self) -> List[Doc]:
        """Return the words of each row as a doc."""
        docs = []
        for doc, start, end, _, _ in self.windows:
            words = self.words[doc].doc
            docs.append(words if end - start == len(words) else words[start:end].as_doc(copy_user_data=True))
        return docs

    def select(self, rows: Sequence[int]) -> "Rows":
        """Return some of the rows, with the docs that they need and without tags."""
        windows = [self.windows[row] for row in rows]
        numbers = {doc: i for i, doc in enumerate(sorted({window.doc for window in windows}))}
        words = see_words([self.words[doc].source for doc in numbers])
        return Rows(words, [window._replace(doc=numbers[window.doc]) for window in windows])

    def with_tags(self, tags: Tensor) -> "Rows":
        """Return the rows with gold tags."""
        return replace(self, tags=tags)


def _length(window: Window) -> int:
    return window.end - window.start


def plan_windows(docs: Sequence[Words], size: int, overlap: int) -> List[Window]:
    """Cut docs into windows.

    A doc of up to `size` words is one window. A longer doc is cut between sentences, with as many sentences in a window
    as fit. A sentence longer than `size`, or a long doc without sentence boundaries, is cut into windows that overlap
    by `overlap` words. The border of two cores is in the middle of the overlap.

    docs (Sequence[Words]): the words of the docs; docs without words get no window.
    size (int): maximum number of words in a window.
    overlap (int): number of words that neighbouring windows share, less than `size`.
    """
    windows = []
    for i, words in enumerate(docs):
        n_words = len(words)
        if n_words <= size:
            if n_words:
                windows.append(Window(i, 0, n_words, 0, n_words))
            continue
        for start, end in _stretches(words, size):
            windows.extend(_cut(i, start, end, size, overlap))
    return windows


def chunk_windows(windows: Sequence[Window], max_tokens: int = DECODED_TOKENS) -> Iterator[List[Window]]:
    """Group windows of similar lengths. A group has at most `max_tokens` words, padding included."""
    chunk: List[Window] = []
    for window in sorted(windows, key=_length):
        # The windows are sorted, so this window is the longest of the chunk.
        if chunk and (len(chunk) + 1) * _length(window) > max_tokens:
            yield chunk
            chunk = []
        chunk.append(window)
    if chunk:
        yield chunk


def _stretches(words: Words, size: int) -> Iterator[List[int]]:
    """Yield [start, end] of runs of whole sentences. Only a run of one sentence may be longer than `size`."""
    starts = words.sentence_starts()
    firsts = [0] if starts is None else np.flatnonzero(starts).tolist()
    run = [0, 0]
    for start, end in zip(firsts, [*firsts[1:], len(words)], strict=True):
        if start and end - run[0] > size:
            yield run
            run = [start, end]
        else:
            run[1] = end
    yield run


def _cut(doc: int, start: int, end: int, size: int, overlap: int) -> Iterator[Window]:
    core = start
    while end - start > size:
        border = start + size - overlap // 2
        yield Window(doc, start, start + size, core, border)
        core, start = border, start + size - overlap
    yield Window(doc, start, end, core, end)
