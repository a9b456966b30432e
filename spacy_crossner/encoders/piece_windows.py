"""Windows over docs, measured in word pieces. They cover all tokens, and each window fits the encoder."""

from typing import Iterable, List, Optional, Sequence, Tuple
from warnings import warn

from spacy.tokens import Doc, Span
from transformers import BatchEncoding

from ..errors import CrossnerError, Errors, Warnings
from .pieces import PieceTokenizer


class PieceWindows:
    """Span getter: windows with a maximum number of word pieces, cut between sentences if the doc has boundaries.

    A doc that fits is one window. A longer doc is cut between sentences, with as many sentences in a window as fit. A
    sentence that does not fit, or a long doc without sentence boundaries, is cut into windows that overlap. Each token
    is in a window. A token that is longer than a window is a window by itself.

    `spacy_crossner.TransformerModel.v1` and `Tok2VecTransformer.v1` count the pieces of the encoder's own tokenizer.
    Without a tokenizer, as in other callers, each character counts as a piece.

    pieces (int): maximum of word pieces in a window, special tokens not counted; reduced to the encoder's maximum.
    overlap (int): maximum of word pieces that two neighbouring windows share, less than `pieces`.
    RAISES (CrossnerError): settings out of range.
    """

    def __init__(self, pieces: int = 192, overlap: int = 48) -> None:
        if pieces < 1 or not 0 <= overlap < pieces:
            raise CrossnerError(Errors.C025.format(pieces=pieces, overlap=overlap))
        self.pieces = pieces
        self.overlap = overlap

    def __call__(self, docs: Iterable[Doc]) -> List[List[Span]]:
        """Return the windows of each doc; a doc without tokens has no window."""
        return self.cut(list(docs))

    def cut(self, docs: Sequence[Doc], tokenizer: Optional[PieceTokenizer] = None) -> List[List[Span]]:
        """Return the windows of each doc by the pieces of a tokenizer."""
        limit = min(self.pieces, tokenizer.room) if tokenizer else self.pieces
        windows: List[List[Span]] = [[doc[:]] if len(doc) else [] for doc in docs]
        long = [i for i, doc in enumerate(docs) if not _surely_fits(doc, limit)]
        long_docs = [docs[i] for i in long]
        counts = tokenizer.count(long_docs) if tokenizer else [[len(token) for token in doc] for doc in long_docs]
        for i, doc, pieces in zip(long, long_docs, counts, strict=True):
            if sum(pieces) > limit:
                windows[i] = [doc[start:end] for start, end in self._cut(doc, pieces, limit)]
        return windows

    def _cut(self, doc: Doc, pieces: List[int], limit: int) -> List[Tuple[int, int]]:
        has_sentences = doc.has_annotation("SENT_START")
        sentences = [(sent.start, sent.end) for sent in doc.sents] if has_sentences else [(0, len(doc))]
        # Reduced in proportion if the encoder's maximum is below `pieces`.
        overlap = self.overlap * limit // self.pieces
        windows: List[Tuple[int, int]] = []
        room = 0
        for start, end in sentences:
            size = sum(pieces[start:end])
            if size > limit:
                windows += cut_tokens(pieces, start, end, limit, overlap)
                room = 0
            elif windows and size <= room:
                windows[-1] = (windows[-1][0], end)
                room -= size
            else:
                windows.append((start, end))
                room = limit - size
        return windows


def cut_tokens(pieces: Sequence[int], start: int, end: int, limit: int, overlap: int) -> List[Tuple[int, int]]:
    """Cut tokens into windows that overlap.

    pieces (Sequence[int]): number of word pieces of each token of a doc.
    start (int): first token.
    end (int): end of the tokens, exclusive.
    limit (int): maximum of pieces in a window; only a window of one token may have more.
    overlap (int): maximum of pieces that two neighbouring windows share.
    RETURNS (List[Tuple[int, int]]): first token and end, exclusive, of each window, in order.
    """
    windows: List[Tuple[int, int]] = []
    first = stop = start
    while stop < end:
        size = sum(pieces[first:stop])
        while stop < end and (size + pieces[stop] <= limit or stop == first):
            size += pieces[stop]
            stop += 1
        windows.append((first, stop))
        if stop < end:
            # The overlap must leave room for the next token, or the next window would hold no new token.
            room = min(overlap, limit - pieces[stop])
            earliest, first = first + 1, stop
            while first > earliest and pieces[first - 1] <= room:
                first -= 1
                room -= pieces[first]
    return windows


def tokenize_windows(
    windows: List[List[Span]], tokenizer: PieceTokenizer
) -> Tuple[List[List[Span]], Optional[BatchEncoding]]:
    """Return windows that fit the encoder, and their word pieces.

    windows (List[List[Span]]): the windows of each doc, from any span getter. A window with more pieces than the
        encoder's maximum is cut, with an overlap of a quarter; a window without tokens is left out.
    tokenizer (PieceTokenizer): the encoder's tokenizer. It gives the first pieces of a single token that is too long,
        and a warning gives the number of pieces that are left out.
    RETURNS (Tuple[List[List[Span]], Optional[BatchEncoding]]): the windows of each doc, and the pieces of all windows;
        None if there is no window.
    """
    windows = [[span for span in spans if len(span)] for spans in windows]
    while True:
        flat = [span for spans in windows for span in spans]
        if not flat:
            return windows, None
        pieces = tokenizer([span.text for span in flat])
        excess = {row: n - tokenizer.maximum for row, n in enumerate(pieces["lengths"]) if n > tokenizer.maximum}
        shorter_spans = {row: _split(flat[row], tokenizer) for row in excess if len(flat[row]) > 1}
        if not shorter_spans:
            break
        rows = iter(range(len(flat)))
        windows = [
            [shorter_span for span in spans for shorter_span in shorter_spans.get(next(rows), [span])]
            for spans in windows
        ]
    if excess:
        unseen = sum(excess.values())
        warn(Warnings.W001.format(tokens=len(excess), pieces=unseen, maximum=tokenizer.maximum), stacklevel=2)
    return windows, pieces


def _surely_fits(doc: Doc, limit: int) -> bool:
    """Return whether a doc surely fits. In ASCII text, each piece except a start marker has at least one character."""
    text = doc.text
    return len(text) < limit and text.isascii()


def _split(span: Span, tokenizer: PieceTokenizer) -> List[Span]:
    """Cut a span that has too many pieces into shorter ones."""
    (pieces,) = tokenizer.count([span])
    token_ranges = cut_tokens(pieces, 0, len(span), tokenizer.room, tokenizer.room // 4)
    if len(token_ranges) == 1:
        # The span fits by the counts of single tokens, but its tokens have more pieces in context.
        token_ranges = [(0, len(span) // 2), (len(span) // 2, len(span))]
    return [span[start:end] for start, end in token_ranges]
