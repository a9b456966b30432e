"""Sentences that must not get into a corpus: those of the dev and test sets."""

from functools import lru_cache
from pathlib import Path
from typing import Collection, Iterable, Iterator, List, Sequence, Tuple

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind
from numpy.typing import NDArray
from spacy.vocab import Vocab

from ..data.alignment import Tokenize
from ..data.docbin import read_docbin
from ..data.normal_form import sentence_key
from ..data.reading import open_files
from ..data.sentences import Sentence, read_doc
from ..data.tokenizing import blank_pipeline
from .sentences import split_sentences
from .words import Indices

# Of shorter ones ("Yes .", "He won the game .") more texts hold the words than know the set.
SHORTEST_WITHIN = 20
MOST_BYTES = 4


class Excluded:
    """Sentences to be left out, with what they stand in.

    They are compared by their normal forms, see `normal_form`: it does not matter how a sentence was typed or cut into
    tokens. A sentence of `SHORTEST_WITHIN` characters or more (without blanks) is found wherever it stands, within a
    longer sentence or over several; a shorter one where it is a whole sentence or a whole line.

    sentences (Iterable[str]): the sentences. Of a longer text its sentences are left out each, too.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        keys = {
            sentence_key(part).encode("utf-8")
            for sentence in sentences
            for part in (sentence, *split_sentences(sentence))
        }
        long = sorted(key for key in keys if len(key.decode("utf-8")) >= SHORTEST_WITHIN)
        self.short = keys.difference(long, [b""])
        self.automaton = BytesAhoCorasick(long, matchkind=MatchKind.LeftmostLongest) if long else None

    def find(self, text: bytes, lines: Indices) -> NDArray[np.bool_]:
        """Say which sentences of a text are to be left out.

        text (bytes): what `sentence_keys` gives for the sentences.
        lines (Indices): the line that each one is from, ascending.
        RETURNS (NDArray[np.bool_]): True for each sentence that holds an excluded one, or a part of it.
        """
        keys = text.split(b"\n")
        left_out = np.fromiter((key in self.short for key in keys), dtype=bool, count=len(keys))
        sizes = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
        for first, last in _short_lines(sizes, lines):
            left_out[first:last] |= b"".join(keys[first:last]) in self.short
        if self.automaton is not None:
            # Where two matches overlap the second is passed over; the sentences of the first break it, too.
            found = self.automaton.find_matches_as_indexes(b"".join(keys))
            ends = np.cumsum(sizes)
            for _, start, end in found:
                first, last = np.searchsorted(ends, [start, end - 1], side="right")
                left_out[first : last + 1] = True
        return left_out

    def holding(self, texts: Sequence[str]) -> List[int]:
        """Return the places of the texts that hold an excluded sentence, each taken by itself.

        texts (Sequence[str]): sentences or paragraphs.
        """
        keys = [sentence_key(text).encode("utf-8") for text in texts]
        return [i for i, key in enumerate(keys) if self.find(key, np.zeros(1, dtype=np.int64)).any()]


def _short_lines(sizes: Indices, lines: Indices) -> Iterator[Tuple[int, int]]:
    """Yield the first and last (exclusive) sentence of each line of several sentences that is a short one in all."""
    starts = np.flatnonzero(np.diff(lines, prepend=-1))
    counts = np.diff(starts, append=len(lines))
    short = (counts > 1) & (np.add.reduceat(sizes, starts) < MOST_BYTES * SHORTEST_WITHIN)
    yield from zip(starts[short].tolist(), (starts + counts)[short].tolist(), strict=True)


def read_excluded(paths: Collection[Path]) -> "Excluded":
    """Read the sentences of dev and test sets.

    paths (Collection[Path]): DocBins (`.spacy`), or text files in any format that `convert` reads, or with a sentence
        a line. What has faults is read as far as it goes.
    RETURNS (Excluded): the sentences.
    RAISES (DataError): a file cannot be read or holds no sentence.
    """
    return Excluded(" ".join(sentence.words) for path in paths for sentence in _read_sentences(path))


def _read_sentences(path: Path) -> List[Sentence]:
    """Read the sentences of one file."""
    if path.suffix == ".spacy":
        return [read_doc(doc, number) for number, doc in enumerate(read_docbin(path, Vocab()), 1)]
    (source,) = open_files([path], raw=None, repair=True)
    return list(source.read(_tokenizer()))


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenize:
    """Return a tokenizer, which formats of running text ask for; sentences are compared without their tokens."""
    return blank_pipeline("en").tokenizer
