"""Windows of long docs. A head predicts one window at a time, so that its memory does not grow with the doc."""

from typing import Iterator, List, NamedTuple, Sequence

from spacy.tokens import Doc

from ..tuning import DECODED_TOKENS


class Window(NamedTuple):
    """A range of a doc's tokens. Entities that begin in its core are taken from this window; the rest is context.

    doc (int): index of the doc in the batch.
    start (int): first token.
    end (int): end, exclusive.
    core_start (int): first token of the core.
    core_end (int): end of the core, exclusive. The cores of a doc are adjacent and cover the doc.
    """

    doc: int
    start: int
    end: int
    core_start: int
    core_end: int


def plan_windows(docs: Sequence[Doc], size: int, overlap: int) -> List[Window]:
    """Cut docs into windows.

    A doc of up to `size` tokens is one window. A longer doc is cut between sentences, with as many sentences in a
    window as fit. A sentence longer than `size`, or a long doc without sentence boundaries, is cut into windows that
    overlap by `overlap` tokens. The border of two cores is in the middle of the overlap.

    docs (Sequence[Doc]): the docs; docs without tokens get no window.
    size (int): maximum number of tokens in a window.
    overlap (int): number of tokens that neighbouring windows share, less than `size`.
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
    """Group windows of similar lengths. A group has at most `max_tokens` tokens, padding included."""
    chunk: List[Window] = []
    for window in sorted(windows, key=lambda window: window.end - window.start):
        # The windows are sorted, so this window is the longest of the chunk.
        if chunk and (len(chunk) + 1) * (window.end - window.start) > max_tokens:
            yield chunk
            chunk = []
        chunk.append(window)
    if chunk:
        yield chunk


def _stretches(doc: Doc, size: int) -> Iterator[List[int]]:
    """Yield [start, end] of runs of whole sentences. Only a run of one sentence may be longer than `size`."""
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
