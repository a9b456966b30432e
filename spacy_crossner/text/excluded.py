"""Exclusion of the sentences of dev and test sets from a corpus."""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate, groupby
from pathlib import Path
from typing import Collection, Iterable, List, Sequence

from ahocorasick_rs import AhoCorasick, MatchKind
from spacy.vocab import Vocab

from ..data.alignment import Tokenize
from ..data.docbin import read_docbin
from ..data.normal_form import sentence_key
from ..data.reading import open_files
from ..data.sentences import Sentence, read_doc
from ..data.tokenizing import blank_pipeline
from .sentences import split_sentences

# Minimum length of an excluded sentence that is searched inside longer text. Shorter sentences ("Yes .", "He won the
# game .") often occur in texts that do not quote the set.
SHORTEST_WITHIN = 20


class Excluded:
    """Finds excluded sentences in a corpus.

    Sentences are compared by their normal forms, see `normal_form`, so that typography and tokenization do not matter.
    An excluded sentence of `SHORTEST_WITHIN` characters or more (without blanks) is found anywhere, also inside a
    longer sentence or across several sentences. A shorter one is found only as a whole sentence or a whole line.

    sentences (Iterable[str]): the sentences to exclude. A text of several sentences excludes each of them, too.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        keys = {sentence_key(part) for sentence in sentences for part in (sentence, *split_sentences(sentence))} - {""}
        self.short = {key for key in keys if len(key) < SHORTEST_WITHIN}
        long = sorted(keys - self.short)
        self.automaton = AhoCorasick(long, matchkind=MatchKind.LeftmostLongest) if long else None

    def find(self, keys: Sequence[str], lines: Sequence[int]) -> List[int]:
        """Return the indices of the sentences that contain an excluded sentence, or a part of one.

        keys (Sequence[str]): the `sentence_key` of each sentence.
        lines (Sequence[int]): the line number of each sentence, ascending.
        RETURNS (List[int]): indices in `keys`, ascending.
        """
        left_out = {place for place, key in enumerate(keys) if key in self.short}
        # The end of each sentence in the concatenation of all keys.
        ends = list(accumulate(map(len, keys)))
        for _, group in groupby(range(len(keys)), key=lines.__getitem__):
            places = list(group)
            if len(places) > 1 and "".join(keys[places[0] : places[-1] + 1]) in self.short:
                left_out.update(places)
        if self.automaton is not None:
            # Of two matches that overlap, only the first is found. Its removal breaks the second match, too.
            for _, start, end in self.automaton.find_matches_as_indexes("".join(keys)):
                left_out.update(range(bisect_right(ends, start), bisect_right(ends, end - 1) + 1))
        return sorted(left_out)

    def holding(self, texts: Sequence[str]) -> List[int]:
        """Return the indices of the texts that contain an excluded sentence. Each text is searched separately.

        texts (Sequence[str]): sentences or paragraphs.
        """
        return [place for place, text in enumerate(texts) if self.find([sentence_key(text)], [0])]


def read_excluded(paths: Collection[Path]) -> "Excluded":
    """Read the sentences of dev and test sets.

    paths (Collection[Path]): DocBins (`.spacy`), text files in any format that `convert` reads, or text files with one
        sentence on each line. Faults in text files are repaired, not raised.
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
    """Return a tokenizer. Formats of running text need one, though sentences are compared without their tokens."""
    return blank_pipeline("en").tokenizer
