"""Distorted sentences for contrastive learning: the same sentence with synonyms, or with some words left out.

Entities are never touched (Zhang et al., 2021, section 4.2.1).
"""

import random
from itertools import groupby
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set

from spacy.tokens import Doc
from spacy.training import Example

from ...annotations.domains import get_domain, set_domain, set_pair, without_annotation
from ...data.faults import UNREADABLE, Faults
from ...data.files import read_lines
from ...errors import CrossnerError, Errors

Synonyms = Dict[str, List[str]]
Batcher = Callable[[Iterable[Example]], Iterator[List[Example]]]

# The files of WordNet with its synsets, one for each part of speech.
WORDNET = ("data.noun", "data.verb", "data.adj", "data.adv")


def read_synonyms(path: Path) -> Synonyms:
    """Read synonyms.

    path (Path): a folder with WordNet's data files (Debian's package `wordnet-base` has them in /usr/share/wordnet), or
        a file with `word<TAB>synonym<TAB>...` on each line.
    RETURNS (Synonyms): the synonyms of lower-case words, single words only.
    RAISES (DataError): there is no such file, or it cannot be read.
    """
    synonyms: Dict[str, Set[str]] = {}
    for words in _wordnet_groups(path) if path.is_dir() else _listed_groups(path):
        for word in words:
            synonyms.setdefault(word.lower(), set()).update(other for other in words if other.lower() != word.lower())
    return {word: sorted(others) for word, others in synonyms.items() if others}


def distort(doc: Doc, synonyms: Synonyms, *, share: float, longest: int, rng: random.Random) -> Doc:
    """Return a distorted copy of a sentence, without annotation.

    With probability 0.5, synonyms replace some words. Otherwise, or if no word has synonyms, a run of words is deleted.

    doc (Doc): the sentence. The words of its entities stay.
    synonyms (Synonyms): see `read_synonyms`.
    share (float): fraction of the words with synonyms that are replaced; at least one word is replaced.
    longest (int): maximum number of words of a run; at least one word of a sentence is kept.
    rng (random.Random): source of randomness.
    """
    free = [token.i for token in doc if not token.ent_type]
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    known = [i for i in free if words[i].lower() in synonyms]
    if known and rng.random() < 0.5:
        for i in rng.sample(known, max(1, round(share * len(known)))):
            words[i] = _in_case_of(words[i], rng.choice(synonyms[words[i].lower()]))
    elif free and len(words) > 1:
        # Within a run of neighbouring tokens, token index minus position in `free` is constant.
        runs = [[i for _, i in run] for _, run in groupby(enumerate(free), key=lambda pair: pair[1] - pair[0])]
        run = rng.choice(runs)
        size = min(rng.randint(1, longest), len(run), len(words) - 1)
        start = run[rng.randrange(len(run) - size + 1)]
        del words[start : start + size], spaces[start : start + size]
    distorted = Doc(doc.vocab, words=words, spaces=None if doc.has_unknown_spaces else spaces)
    set_domain(distorted, get_domain(doc))
    return distorted


class TwinBatcher:
    """Adds to each batch of another batcher a distorted twin of every example (registered as a batcher).

    A twin has no annotation, so that only loss terms on pairs use it. Examples without tokens have no twin.

    batcher (Batcher): the other batcher.
    synonyms (Optional[Path]): see `read_synonyms`; None for deletion of words only.
    share (float): see `distort`.
    longest (int): see `distort`.
    seed (int): seed of the distortions.
    enabled (bool): False to add no twins, if no loss term uses them.
    RAISES (CrossnerError): share is not in (0, 1], or longest below 1.
    """

    def __init__(
        self,
        batcher: Batcher,
        synonyms: Optional[Path] = None,
        share: float = 0.3,
        longest: int = 3,
        seed: int = 0,
        enabled: bool = True,
    ) -> None:
        if not 0 < share <= 1 or longest < 1:
            raise CrossnerError(Errors.C037.format(share=share, longest=longest))
        self.batcher = batcher
        self.synonyms = read_synonyms(Path(synonyms)) if synonyms else {}
        self.share = share
        self.longest = longest
        self.random = random.Random(seed)
        self.enabled = enabled

    def __call__(self, examples: Iterable[Example]) -> Iterator[List[Example]]:
        """Yield the batches of one pass."""
        if not self.enabled:
            yield from self.batcher(examples)
            return
        for batch in self.batcher(examples):
            twins = []
            for pair, example in enumerate(batch):
                if not len(example.predicted):
                    continue
                twin = distort(
                    example.reference, self.synonyms, share=self.share, longest=self.longest, rng=self.random
                )
                predicted = without_annotation(twin, twin.vocab)
                for doc in (example.predicted, predicted):
                    set_pair(doc, pair)
                twins.append(Example(predicted, twin))
            yield [*batch, *twins]


def _wordnet_groups(folder: Path) -> Iterator[List[str]]:
    """Yield the words of each synset. Its line: offset, two codes, number of words, then words and codes in turn."""
    for name in WORDNET:
        for _, line in read_lines(Faults(folder / name)):
            if line.startswith("  "):
                # The licence.
                continue
            fields = line.split(" ")
            words = [word.partition("(")[0] for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
            yield [word for word in words if "_" not in word]


def _listed_groups(path: Path) -> Iterator[List[str]]:
    if not path.is_file():
        raise Faults(path).error(UNREADABLE, None, "no file and no folder")
    for _, line in read_lines(Faults(path)):
        yield [word.strip() for word in line.split("\t") if word.strip()]


def _in_case_of(word: str, other: str) -> str:
    """Return a replacement with a capital first letter if the replaced word has one."""
    return other[:1].upper() + other[1:] if word[:1].isupper() else other
