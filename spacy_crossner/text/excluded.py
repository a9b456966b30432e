"""Sentences that must not get into a corpus: those of the dev and test sets."""

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

# Of shorter ones ("Yes .", "He won the game .") more texts hold the words than know the set.
SHORTEST_WITHIN = 20


class Excluded:
    """Sentences to leave out, together with the sentences that hold them.

    They are compared by their normal forms, see `normal_form`: it does not matter how a sentence was typed or cut into
    tokens. A sentence of `SHORTEST_WITHIN` characters or more (without blanks) is found wherever it stands, within a
    longer sentence or over several; a shorter one where it is a whole sentence or a whole line.

    sentences (Iterable[str]): the sentences. Of a longer text its sentences are left out each, too.
    """

    def __init__(self, sentences: Iterable[str]) -> None:
        keys = {sentence_key(part) for sentence in sentences for part in (sentence, *split_sentences(sentence))} - {""}
        self.short = {key for key in keys if len(key) < SHORTEST_WITHIN}
        long = sorted(keys - self.short)
        self.automaton = AhoCorasick(long, matchkind=MatchKind.LeftmostLongest) if long else None

    def find(self, keys: Sequence[str], lines: Sequence[int]) -> List[int]:
        """Return the places of the sentences that are to be left out: each holds an excluded one, or a part of it.

        keys (Sequence[str]): the `sentence_key` of each sentence.
        lines (Sequence[int]): the number of the line that each sentence is from, ascending.
        RETURNS (List[int]): their places in `keys`, ascending.
        """
        left_out = {place for place, key in enumerate(keys) if key in self.short}
        # Where each sentence ends in the text of all.
        ends = list(accumulate(map(len, keys)))
        for _, group in groupby(range(len(keys)), key=lines.__getitem__):
            places = list(group)
            if len(places) > 1 and "".join(keys[places[0] : places[-1] + 1]) in self.short:
                left_out.update(places)
        if self.automaton is not None:
            # Of two matches that overlap only the first is found; leaving it out breaks the second, too.
            for _, start, end in self.automaton.find_matches_as_indexes("".join(keys)):
                left_out.update(range(bisect_right(ends, start), bisect_right(ends, end - 1) + 1))
        return sorted(left_out)

    def holding(self, texts: Sequence[str]) -> List[int]:
        """Return the places of the texts that hold an excluded sentence, each taken by itself.

        texts (Sequence[str]): sentences or paragraphs.
        """
        return [place for place, text in enumerate(texts) if self.find([sentence_key(text)], [0])]


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
