"""Windows of long docs: what a head sees at once at prediction, so that its memory does not grow with the doc."""

from typing import Iterator, List, NamedTuple, Sequence

from spacy.tokens import Doc

from ..tuning import DECODED_TOKENS


class Window(NamedTuple):
    """A stretch of a doc's tokens. What begins in its core is taken from it; the rest is context.

    doc (int): which doc of the batch.
    start (int): first token.
    end (int): end, exclusive.
    core_start (int): first token of the core.
    core_end (int): end of the core, exclusive. The cores of a doc lie side by side and cover it.
    """

    doc: int
    start: int
    end: int
    core_start: int
    core_end: int


def plan_windows(docs: Sequence[Doc], size: int, overlap: int) -> List[Window]:
    """Cut docs into windows.

    A doc of `size` tokens or less is one window. A longer one is cut between its sentences, as many to a window as fit,
    where it has sentence boundaries; a stretch without one that is longer than `size` is cut into windows that share
    `overlap` tokens, the border of their cores being the middle of what they share.

    docs (Sequence[Doc]): the docs; those without tokens get no window.
    size (int): tokens in a window at most.
    overlap (int): tokens that neighbours share, less than `size`.
    """
    windows = []
    for i, doc in enumerate(docs):
        if len(doc) <= size:
            if len(doc):
                windows.append(Window(i, 0, len(doc), 0, len(doc)))
            continue
        for start, end in _stretches(doc, size):
            windows.extend(_cut(i, start, end, size, overlap))
    return windows


def chunk_windows(windows: Sequence[Window], max_tokens: int = DECODED_TOKENS) -> Iterator[List[Window]]:
    """Group windows of like lengths, so that a group has no more than `max_tokens` tokens with its padding."""
    chunk: List[Window] = []
    for window in sorted(windows, key=lambda window: window.end - window.start):
        # Sorted: the newest is the longest.
        if chunk and (len(chunk) + 1) * (window.end - window.start) > max_tokens:
            yield chunk
            chunk = []
        chunk.append(window)
    if chunk:
        yield chunk


def _stretches(doc: Doc, size: int) -> Iterator[List[int]]:
    """Yield [start, end] of runs of whole sentences, no longer than `size` unless they are one sentence."""
    sentences = [[sent.start, sent.end] for sent in doc.sents] if doc.has_annotation("SENT_START") else [[0, len(doc)]]
    run = sentences[0]
    for start, end in sentences[1:]:
        if end - run[0] > size:
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
