"""Words to word pieces, by a cache: most words of a text have occurred before, so the tokenizer splits only a few."""

from itertools import chain, repeat
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from ..annotations.words import OF_ORTH, WordBatch
from ..errors import CrossnerError, Errors
from ..threads import Lock
from ..tuning import CACHED_PIECES, CACHED_WORDS
from .letter_case import case_of
from .saved_tokenizer import stop_cutting

# Words on which a tokenizer shows whether it splits each word by itself: several scripts, punctuation, words that
# continue each other, numbers, and words that a language model would join.
PROBE = (
    "New York - based U.S. don 't can not un believable 10 % , 000 ( x",
    "Straße naïve Ångström e \u0301 Москва 東京 大学 中 국 어 नमस्ते العربية 😀 👩\u200d🔬",
    "a a the the e mail [ MASK ] ... . .. http://x.org/a_b # tag A B",
)


class Pieces(NamedTuple):
    """The word pieces of the words of a batch, without special tokens.

    counts (NDArray): number of pieces of each word, int64, shape (n_words,).
    ids (NDArray): the pieces of all words in order, int64, shape (n_pieces,).
    """

    counts: NDArray[np.int64]
    ids: NDArray[np.int64]


class SpecialTokens(NamedTuple):
    """What a tokenizer adds to a sequence.

    before, after (Tuple[int, ...]): the special tokens before and after the pieces of the text.
    types (Tuple[Tuple[int, ...], int, Tuple[int, ...]]): token types before, of the text, and after.
    padding (int): id of the padding token.
    padding_type (int): token type of the padding.
    """

    before: Tuple[int, ...]
    after: Tuple[int, ...]
    types: Tuple[Tuple[int, ...], int, Tuple[int, ...]]
    padding: int
    padding_type: int


class PieceTable:
    """The pieces of the words that occurred: row numbers by key, and the rows' pieces in one array.

    Several threads may read while one adds rows: arrays are replaced before the keys of new rows are added.
    """

    def __init__(self) -> None:
        self.rows: Dict[int, int] = {}
        self.starts = np.zeros(1024, dtype=np.int64)
        self.counts = np.zeros(1024, dtype=np.int64)
        self.ids = np.zeros(4096, dtype=np.int64)
        self.n_rows = self.n_ids = 0

    def find(self, keys: List[int]) -> NDArray[np.int64]:
        """Return the row of each key, -1 for an unknown key, shape (len(keys),)."""
        return np.fromiter(map(self.rows.get, keys, repeat(-1)), dtype=np.int64, count=len(keys))

    def add(self, keys: List[int], pieces: Sequence[Sequence[int]]) -> None:
        """Add words with their pieces."""
        counts = np.array([len(each) for each in pieces], dtype=np.int64)
        n_rows, n_ids = self.n_rows + len(keys), self.n_ids + int(counts.sum())
        self.starts, self.counts = _room_for(self.starts, n_rows), _room_for(self.counts, n_rows)
        self.ids = _room_for(self.ids, n_ids)
        self.counts[self.n_rows : n_rows] = counts
        self.starts[self.n_rows : n_rows] = self.n_ids + np.cumsum(counts) - counts
        self.ids[self.n_ids : n_ids] = [piece for each in pieces for piece in each]
        first, self.n_rows, self.n_ids = self.n_rows, n_rows, n_ids
        self.rows.update(zip(keys, range(first, n_rows), strict=True))

    def read(self, rows: NDArray[np.int64]) -> Pieces:
        """Return the pieces of rows."""
        # After `find`, because the arrays that hold a row exist before its key.
        counts = self.counts[rows]
        return Pieces(counts, self.ids[ranges(self.starts[rows], counts)])


def ranges(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers of all ranges in order: from each start, as many as its size."""
    offsets = np.cumsum(sizes) - sizes
    return np.repeat(starts - offsets, sizes) + np.arange(int(sizes.sum()))


def _room_for(array: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    if size <= len(array):
        return array
    grown = np.zeros(max(size, 2 * len(array)), dtype=np.int64)
    grown[: len(array)] = array
    return grown


class WordPieces:
    """Splits the words of docs as the tokenizer does with `is_split_into_words=True`: each word by itself.

    If the tokenizer treats a word differently after white space (byte-level BPE), a word that follows white space is
    given with a space before it. So the pieces are those of running text.

    tokenizer (PreTrainedTokenizerBase): a tokenizer of transformers.
    case_step (int): what the letter case of a word adds to the ids of its pieces, times the case; 0 for nothing.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, case_step: int = 0) -> None:
        self.tokenizer = tokenizer
        self.case_step = case_step
        self._lock = Lock()
        self._table = PieceTable()
        stop_cutting(tokenizer)
        self.takes_words = self._takes_words()
        self.special = self._find_special_tokens()
        self.splits_spaces = self._split([" a", " B"]) != self._split(["a", "B"])
        self.is_wordwise = all(self._is_wordwise_on(text.split()) for text in PROBE)

    def __call__(self, words: WordBatch) -> Pieces:
        """Return the pieces of the words of a batch.

        words (WordBatch): the words of the docs.
        RAISES (CrossnerError): the tokenizer looks across words, and has no fast version to say which piece is whose.
        """
        if not self.is_wordwise:
            return self._split_docs(words)
        orths = words.columns[:, OF_ORTH]
        if self.splits_spaces:
            # A second key for a word after white space.
            orths = np.where(words.follows_space, ~orths, orths)
        keys = orths.tolist()
        # A local reference, because another thread may start a new table.
        table = self._table
        rows = table.find(keys)
        if (rows < 0).any():
            with self._lock:
                if len(table.rows) > CACHED_WORDS or table.n_ids > CACHED_PIECES:
                    table = self._table = PieceTable()
                missing = np.flatnonzero(table.find(keys) < 0).tolist()
                # One place for each key: a word that is new may occur several times.
                new = {keys[i]: i for i in missing}
                texts = self._texts(words, list(new.values()))
                rows_of_pieces = zip(self._split(texts), self._cases(texts), strict=True)
                table.add(list(new), [[piece + case for piece in pieces] for pieces, case in rows_of_pieces])
            rows = table.find(keys)
        return table.read(rows)

    def _texts(self, words: WordBatch, places: Sequence[int]) -> List[str]:
        """Return the words at some places, with a space before them where the tokenizer splits them differently."""
        # Not from one vocabulary, because docs may have several.
        doc_of_word = np.searchsorted(np.cumsum(words.lengths), places, side="right").tolist()
        orths = words.columns[places, OF_ORTH].tolist()
        texts = [words[doc].source.vocab.strings[orth] for doc, orth in zip(doc_of_word, orths, strict=True)]
        if not self.splits_spaces:
            return texts
        after_space = words.follows_space[places].tolist()
        return [" " + text if after else text for text, after in zip(texts, after_space, strict=True)]

    def _cases(self, texts: List[str]) -> List[int]:
        """Return what the letter case of each word adds to the ids of its pieces."""
        return [self.case_step * case_of(text) for text in texts] if self.case_step else [0] * len(texts)

    def _split(self, words: List[str]) -> List[List[int]]:
        """Return the pieces of each word."""
        if not words:
            return []
        texts: Any = [[word] for word in words] if self.takes_words else words
        found: Any = self.tokenizer(
            texts,
            is_split_into_words=self.takes_words,
            add_special_tokens=False,
            return_attention_mask=False,
            verbose=False,
        )
        ids: List[List[int]] = found["input_ids"]
        return ids

    def _takes_words(self) -> bool:
        """Return whether the tokenizer takes words.

        In transformers 4, RoBERTa's class refuses them unless it adds a space before each. A word by itself is also a
        text by itself.
        """
        try:
            self.tokenizer(["a"], is_split_into_words=True, verbose=False)
        except AssertionError:
            return False
        return True

    def _is_wordwise_on(self, words: List[str]) -> bool:
        text: Any = words if self.takes_words else " ".join(words)
        if not self.takes_words:
            words = [*words[:1], *(" " + word for word in words[1:])]
        found: Any = self.tokenizer(text, is_split_into_words=self.takes_words, add_special_tokens=False, verbose=False)
        return list(found["input_ids"]) == list(chain.from_iterable(self._split(words)))

    def _split_docs(self, words: WordBatch) -> Pieces:
        """Return the pieces of words of which a tokenizer looks at several at once, by one call for each doc."""
        if not self.tokenizer.is_fast:
            raise CrossnerError(Errors.C501.format(name=type(self.tokenizer).__name__))
        counts, ids, start = [], [], 0
        for n_words in words.lengths.tolist():
            texts = self._texts(words, range(start, start + n_words))
            found: Any = self.tokenizer(texts, is_split_into_words=True, add_special_tokens=False, verbose=False)
            word_ids: NDArray[np.int64] = np.array(found.word_ids(0), dtype=np.int64)
            cases: NDArray[np.int64] = np.array(self._cases(texts), dtype=np.int64)
            counts.append(np.bincount(word_ids, minlength=n_words))
            ids.append(np.array(found["input_ids"], dtype=np.int64) + cases[word_ids])
            start += n_words
        nothing = [np.zeros(0, dtype=np.int64)]
        return Pieces(np.concatenate(nothing + counts), np.concatenate(nothing + ids))

    def _find_special_tokens(self) -> SpecialTokens:
        tokenizer = self.tokenizer
        text: Any = ["a"] if self.takes_words else "a"
        whole: Any = tokenizer(text, is_split_into_words=self.takes_words, return_token_type_ids=True, verbose=False)
        ids, types = list(whole["input_ids"]), list(whole["token_type_ids"])
        (plain,) = self._split(["a"])
        n_before = next((i for i in range(len(ids)) if ids[i : i + len(plain)] == plain), 0)
        n_text = n_before + len(plain)
        return SpecialTokens(
            before=tuple(ids[:n_before]),
            after=tuple(ids[n_text:]),
            types=(tuple(types[:n_before]), types[n_before] if plain else 0, tuple(types[n_text:])),
            padding=tokenizer.pad_token_id or 0,
            padding_type=tokenizer.pad_token_type_id,
        )
