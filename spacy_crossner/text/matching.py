"""Counts the names of an entity list in sentences.

NumPy finds and numbers the tokens of a block of sentences at once (`words.py`), and an Aho-Corasick automaton searches
for sequences of these numbers. The simple alternative splits tokens with a regular expression and searches the text. It
gives the same counts, but takes about 4 times as long, or 2.3 times as long with the fastest substitute for the regular
expression (`benchmarks/select_parts.py`).
"""

from itertools import chain
from typing import Collection, Dict, Iterator, Sequence, Tuple

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind
from numpy.typing import NDArray

from ..data.normal_form import name_keys
from ..errors import CrossnerError
from .entities import EntityList
from .words import Indices, Vocabulary, find_tokens

C407 = "[C407] {path} has no type '{type}'; it has {known}. Correct --types."

Counts = NDArray[np.int64]

LINE_END = ord("\n")

# The first byte of a code has one of 64 values. All further bytes have one of 191 other values, so that no match begins
# inside a code. The byte 255 encodes tokens that occur in no name.
FIRST_BYTES, OTHER_BYTES, UNKNOWN = 64, 191, 255


class EntityMatcher:
    """Counts the mentions of an entity list in sentences.

    A mention is a sequence of tokens of one sentence that equals the tokens of a name. Tokens are words (runs of word
    characters) and symbols (single other characters), see `words.py`. So no mention begins or ends inside a word, and
    white space between tokens does not matter: the name "CIFAR - 10" matches "CIFAR-10". Of overlapping mentions, the
    one that begins first counts; of mentions with the same start, the one with the most tokens. Every mention counts,
    including repeated ones. Names and sentences are compared by their normal forms, see `normal_form.name_key`.

    Each token of the list has a number, and each number has a code of fixed width. For a list of a million names, an
    automaton over codes is far smaller than one over letters. It also needs no check for word boundaries.

    entities (EntityList): the list.
    types (Collection[str]): the types that are special to the domain. If empty, all names are special.
    ignore_case (bool): ignore case in names and text (Unicode's full case folding).
    RAISES (CrossnerError): a type in `types` is not in the list.
    """

    def __init__(self, entities: EntityList, types: Collection[str] = (), *, ignore_case: bool = False) -> None:
        known = entities.known_types()
        for kind in types:
            if kind not in known:
                listed = ", ".join(known) or "names without types"
                raise CrossnerError(C407.format(path=entities.path, type=kind, known=listed))
        self.ignore_case = ignore_case
        text = name_keys("\n".join(entities.names).encode("utf-8"), ignore_case=ignore_case)
        starts, ends = find_tokens(text)
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8)[starts] == LINE_END)
        in_name = np.ones(len(starts), dtype=bool)
        in_name[line_ends] = False
        self.vocabulary = Vocabulary.of_tokens(text, starts[in_name], ends[in_name])
        self.codes = make_codes(self.vocabulary.size)
        self.width = self.codes.shape[1]
        is_special: Dict[bytes, bool] = {}
        of_type = entities.types or [""] * len(entities.names)
        patterns = self._patterns(self.vocabulary.look_up(text, starts, ends), line_ends)
        for kind, pattern in zip(of_type, patterns, strict=True):
            is_special[pattern] = is_special.get(pattern, False) or not types or kind in types
        self.is_special = np.fromiter(is_special.values(), dtype=bool, count=len(is_special))
        self.automaton = BytesAhoCorasick(is_special, matchkind=MatchKind.LeftmostLongest)

    def _patterns(self, numbers: NDArray[np.int32], line_ends: Indices) -> Iterator[bytes]:
        """Yield the code of each name."""
        codes = self.codes[numbers].tobytes()
        start = 0
        for end in [*line_ends.tolist(), len(numbers)]:
            yield codes[start * self.width : end * self.width]
            start = end + 1

    def count(self, sentences: Sequence[str]) -> Tuple[Counts, Counts]:
        """Count the mentions in each sentence.

        sentences (Sequence[str]): one or more sentences, without line ends.
        RETURNS (Tuple[Counts, Counts]): for each sentence, the number of mentions, and the number of special mentions.
        """
        text = name_keys("\n".join(sentences).encode("utf-8"), ignore_case=self.ignore_case)
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == LINE_END)
        starts, ends = find_tokens(text)
        codes = self.codes[self.vocabulary.look_up(text, starts, ends)].tobytes()
        matches = self.automaton.find_matches_as_indexes(codes)
        # Columns of a match: index of the pattern, start, end.
        table = np.fromiter(chain.from_iterable(matches), np.int64, 3 * len(matches)).reshape(-1, 3)
        sentence_of_match = np.searchsorted(line_ends, starts[table[:, 1] // self.width])
        special = sentence_of_match[self.is_special[table[:, 0]]]
        size = len(sentences)
        return np.bincount(sentence_of_match, minlength=size), np.bincount(special, minlength=size)


def make_codes(n_words: int) -> NDArray[np.uint8]:
    """Return codes of equal width for words numbered from 1. Code 0 is shared by all unknown words.

    n_words (int): the number of words.
    RETURNS (NDArray[np.uint8]): one code in each row, shape (n_words + 1, width).
    """
    width = 1
    while FIRST_BYTES * OTHER_BYTES ** (width - 1) < n_words:
        width += 1
    codes = np.empty((n_words + 1, width), dtype=np.uint8)
    rest = np.arange(n_words)
    for column in range(width - 1, 0, -1):
        rest, digit = np.divmod(rest, OTHER_BYTES)
        codes[1:, column] = digit + FIRST_BYTES
    codes[1:, 0] = rest
    codes[0] = UNKNOWN
    return codes
