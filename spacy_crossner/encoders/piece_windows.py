"""Windows over docs, measured in word pieces: no token is lost, and none is longer than what the encoder takes."""

from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union
from warnings import warn

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from thinc.types import Ragged
from transformers import BatchEncoding, PreTrainedTokenizerBase

from ..errors import CrossnerError, Errors, Warnings
from .saved_tokenizer import stop_cutting

# Words whose number of pieces is kept.
CACHE_SIZE = 2**16


class PieceTokenizer:
    """An encoder's tokenizer and how much the encoder takes at once.

    tokenizer (PreTrainedTokenizerBase): a tokenizer of transformers.
    maximum (int): word pieces that the encoder takes at once, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, maximum: int) -> None:
        self.tokenizer = tokenizer
        self.maximum = maximum
        # Pieces of text, beside the special tokens.
        self.room = max(maximum - tokenizer.num_special_tokens_to_add(), 1)
        self._counts: Dict[str, int] = {}
        # Once, not in the first call of several threads, which cannot change a tokenizer at the same time.
        stop_cutting(tokenizer)

    def count(self, docs: Sequence[Union[Doc, Span]]) -> List[List[int]]:
        """Count the word pieces of each token of docs or spans.

        A token is counted on its own, with the space before it: beside its neighbours it may have a piece more or
        less. What must not be exceeded is therefore measured on whole windows, see `tokenize_windows`.
        """
        texts = [_spaced_words(doc) for doc in docs]
        # Another thread may begin anew meanwhile: what this one has found stays in its own table.
        if len(self._counts) > CACHE_SIZE:
            self._counts = {}
        counts = self._counts
        new = list({text for words in texts for text in words if text not in counts})
        if new:
            # Not verbose: it would warn of long texts, which are no input yet.
            ids = self.tokenizer(new, add_special_tokens=False, verbose=False)["input_ids"]
            counts.update((text, len(row)) for text, row in zip(new, ids, strict=True))
        return [[counts[text] for text in words] for words in texts]

    def __call__(self, texts: List[str]) -> BatchEncoding:
        """Return the word pieces of texts, `maximum` of each at most, the first ones, padded on the right.

        It is done here and not by the tokenizer, which may have no token for padding, and may pad and cut on the left.

        RETURNS (BatchEncoding): `input_ids`, `attention_mask` and, where the tokenizer gives them, `token_type_ids`,
            shape (n_texts, width), and `offset_mapping`, shape (n_texts, width, 2); `input_texts`, the pieces as
            strings; `lengths`, how many pieces each text has, those not given included.
        """
        tokenizer = self.tokenizer
        is_fast = tokenizer.is_fast
        # Not verbose: it would warn of texts that are too long.
        found = tokenizer(texts, return_attention_mask=False, return_offsets_mapping=is_fast, verbose=False)
        lengths = [len(row) for row in found["input_ids"]]
        for row, length in enumerate(lengths):
            if length > self.maximum:
                kept = self._kept(texts[row], found["input_ids"][row])
                for name in found:
                    found[name][row] = [found[name][row][i] for i in kept]
        ids = found["input_ids"]
        width = max(1, *map(len, ids))
        mask = np.arange(width) < np.array([len(row) for row in ids])[:, None]
        # A text without pieces sees one of padding: of nothing, attention makes no number.
        mask[:, 0] = True
        fill = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
        pieces = {name: _pad(rows, width, fill.get(name, 0)) for name, rows in found.items()}
        padding = tokenizer.pad_token or ""
        strings = [[*tokenizer.convert_ids_to_tokens(row), *[padding] * (width - len(row))] for row in ids]
        return BatchEncoding(
            {**pieces, "attention_mask": mask.astype(np.int64), "input_texts": strings, "lengths": lengths}
        )

    def _kept(self, text: str, ids: List[int]) -> List[int]:
        """Return which pieces of a text are kept that has too many: special ones, and the first ones of the text."""
        (plain,) = self.tokenizer([text], add_special_tokens=False, verbose=False)["input_ids"]
        n_before = next((i for i in range(len(ids)) if ids[i : i + len(plain)] == plain), 0)
        n_special = len(ids) - len(plain)
        return [*range(n_before + self.maximum - n_special), *range(n_before + len(plain), len(ids))]


def _pad(rows: List[List[Any]], width: int, value: int) -> NDArray[np.int64]:
    """Return rows of different lengths as one array, filled on the right."""
    depth = next((np.shape(row)[1:] for row in rows if len(row)), ())
    padded = np.full((len(rows), width, *depth), value, dtype=np.int64)
    for i, row in enumerate(rows):
        if len(row):
            padded[i, : len(row)] = row
    return padded


class PieceWindows:
    """Span getter: windows of a bounded number of word pieces, of whole sentences where the doc has them.

    A doc that fits is one window. A longer one is cut between its sentences, as many to a window as fit; a sentence
    that does not fit, or a doc without sentence boundaries, is cut into windows that overlap. Each token is in a
    window; one that is longer than a window is a window by itself.

    The pieces are those of the encoder's own tokenizer in `spacy_crossner.TransformerModel.v1` and
    `Tok2VecTransformer.v1`. Any other caller has none to offer: then a character counts as a piece.

    pieces (int): word pieces of a window at most, special tokens not counted; less where the encoder takes less.
    overlap (int): word pieces that neighbours share at most, less than `pieces`.
    RAISES (CrossnerError): settings out of range.
    """

    def __init__(self, pieces: int = 192, overlap: int = 48) -> None:
        if pieces < 1 or not 0 <= overlap < pieces:
            raise CrossnerError(Errors.C025.format(pieces=pieces, overlap=overlap))
        self.pieces = pieces
        self.overlap = overlap

    def __call__(self, docs: Iterable[Doc]) -> List[List[Span]]:
        """Return the windows of each doc, none of a doc without tokens."""
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
        # In proportion, where the encoder takes less than `pieces`.
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

    pieces (Sequence[int]): word pieces of each token of a doc.
    start (int): first token to be in a window.
    end (int): end of the tokens, exclusive.
    limit (int): pieces of a window at most; only one token by itself may have more.
    overlap (int): pieces that neighbours share at most.
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
            # No more than leaves room for the next token, or the next window would hold nothing new.
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

    windows (List[List[Span]]): the windows of each doc, from any span getter. One with more pieces than the encoder
        takes is cut, with an overlap of a quarter; one without tokens is left out.
    tokenizer (PieceTokenizer): the encoder's. Of a single token that is too long it gives the first pieces, and a
        warning says how many are not seen.
    RETURNS (Tuple[List[List[Span]], Optional[BatchEncoding]]): the windows of each doc, the pieces of all windows; no
        pieces where there is no window.
    """
    windows = [[span for span in spans if len(span)] for spans in windows]
    while True:
        flat = [span for spans in windows for span in spans]
        if not flat:
            return windows, None
        pieces = tokenizer([span.text for span in flat])
        excess = {row: n - tokenizer.maximum for row, n in enumerate(pieces["lengths"]) if n > tokenizer.maximum}
        parts = {row: _split(flat[row], tokenizer) for row in excess if len(flat[row]) > 1}
        if not parts:
            break
        rows = iter(range(len(flat)))
        windows = [[part for span in spans for part in parts.get(next(rows), [span])] for spans in windows]
    if excess:
        unseen = sum(excess.values())
        warn(Warnings.W001.format(tokens=len(excess), pieces=unseen, maximum=tokenizer.maximum), stacklevel=2)
    return windows, pieces


def keep_best_windows(align: Ragged, windows: List[List[Span]], width: int) -> Ragged:
    """Align each token with one window only: that in which the nearer end is the furthest away.

    spacy-transformers aligns a token in two windows with its pieces in both, of which the pooling makes one mean. Near
    the end of a window a vector lacks context, so that only the better one is kept, of two equal ones the first.

    align (Ragged): for each token of the docs the rows of its pieces, by spacy-transformers.
    windows (List[List[Span]]): the windows of each doc.
    width (int): rows of a window, padding included.
    RETURNS (Ragged): the same with the rows of one window for each token.
    """
    if all(len(spans) <= 1 for spans in windows):
        return align
    rows, n_rows = np.asarray(align.dataXd), np.asarray(align.lengths)
    n_tokens = len(n_rows)
    best = np.full(n_tokens, -1)
    context = np.full(n_tokens, -1)
    window, offset = 0, 0
    for spans in windows:
        for span in spans:
            here = slice(offset + span.start, offset + span.end)
            to_end = np.minimum(np.arange(len(span)), np.arange(len(span))[::-1])
            best[here] = np.where(to_end > context[here], window, best[here])
            context[here] = np.maximum(to_end, context[here])
            window += 1
        offset += len(spans[0].doc) if spans else 0
    tokens = np.repeat(np.arange(n_tokens), n_rows)
    kept = rows // width == best[tokens]
    lengths = np.bincount(tokens[kept], minlength=n_tokens).astype(n_rows.dtype)
    return Ragged(rows[kept], lengths)  # type: ignore[arg-type]


def _spaced_words(doc: Union[Doc, Span]) -> List[str]:
    words, space = [], ""
    for token in doc:
        words.append(space + token.text)
        space = token.whitespace_
    return words


def _surely_fits(doc: Doc, limit: int) -> bool:
    """Whether a look at the text is enough: in ASCII, a piece has a character, but for one that marks the start."""
    text = doc.text
    return len(text) < limit and text.isascii()


def _split(span: Span, tokenizer: PieceTokenizer) -> List[Span]:
    """Return shorter spans in place of one that has too many pieces."""
    (pieces,) = tokenizer.count([span])
    parts = cut_tokens(pieces, 0, len(span), tokenizer.room, tokenizer.room // 4)
    if len(parts) == 1:
        # The tokens have more pieces together than one by one.
        parts = [(0, len(span) // 2), (len(span) // 2, len(span))]
    return [span[start:end] for start, end in parts]
