"""Names of an entity list, found in many lines of text at once."""

from itertools import chain
from typing import Collection, Dict, Iterator, Tuple

import numpy as np
from ahocorasick_rs import BytesAhoCorasick, MatchKind
from numpy.typing import NDArray

from ..data.normal_form import name_keys
from ..errors import CrossnerError
from .entities import EntityList
from .words import FACTORS, HALF, Indices, Vocabulary, find_tokens

C407 = "[C407] {path} has no type '{type}'; it has {known}."

LINE_END = ord("\n")

BITS = np.array([1 << i for i in range(8)], dtype=np.uint8)

# A word's code has a first byte of 64 and further bytes of 191 others, so that no code is found in the middle of two;
# 255 stands for all words that are in no name.
FIRST_BYTES, OTHER_BYTES, UNKNOWN = 64, 191, 255


class EntityMatcher:
    """Counts the mentions of an entity list in lines of text.

    A name is found where its tokens stand one after the other, in one line. Tokens are words, runs of word characters
    as long as they go, and symbols, single characters of any other kind, see `words.py`. So no name begins or ends
    within a word, and white space between tokens does not matter: "CIFAR - 10" is found in "CIFAR-10". Of names that
    overlap the one that begins first is found, and of those that begin together the one with the most tokens; the
    next begins after its end. Each mention counts, repeated ones too. Names and text are compared by their normal
    forms, see `normal_form.name_key`: how letters are composed, soft hyphens, forms of quotation marks and of dashes do
    not matter.

    The words of the list are numbered, text and names are written with codes of equal length for these numbers, and an
    Aho-Corasick automaton looks for the codes of the names. It is smaller than one over letters, by far for a list of
    a million names, and ends of words need no check. It reads only the runs of words in which each word stands next
    to the other in some name; a word outside of such runs is a mention if it is a name by itself.

    entities (EntityList): the list.
    types (Collection[str]): the types that are special to the domain; all names where none is given.
    ignore_case (bool): compare names and text without case (Unicode's full case folding).
    RAISES (CrossnerError): the list has no such type.
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
        numbers = self.vocabulary.look_up(text, starts, ends)
        self.neighbours = NeighbourFilter(numbers)
        special: Dict[bytes, bool] = {}
        of_type = entities.types or [""] * len(entities.names)
        for kind, pattern in zip(of_type, self._patterns(numbers, line_ends), strict=True):
            special[pattern] = special.get(pattern, False) or not types or kind in types
        self.special = np.fromiter(special.values(), dtype=bool, count=len(special))
        self.automaton = BytesAhoCorasick(special, matchkind=MatchKind.LeftmostLongest)
        # By the number of a word, whether it is a name and whether it is a special one.
        self.is_name, self.is_special = (
            np.fromiter((names.get(code, False) for code in map(bytes, self.codes)), bool, len(self.codes))
            for names in (dict.fromkeys(special, True), special)
        )

    def _patterns(self, numbers: NDArray[np.int32], line_ends: Indices) -> Iterator[bytes]:
        """Yield the code of each name."""
        codes = self.codes[numbers].tobytes()
        start = 0
        for end in [*line_ends.tolist(), len(numbers)]:
            yield codes[start * self.width : end * self.width]
            start = end + 1

    def count(self, text: bytes) -> Tuple[Indices, Indices]:
        """Count the mentions in each line.

        text (bytes): lines joined by LF, their white space normalised.
        RETURNS (Tuple[Indices, Indices]): for each line the mentions, and those of types special to the domain.
        """
        text = name_keys(text, ignore_case=self.ignore_case)
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == LINE_END)
        starts, ends = find_tokens(text)
        numbers = self.vocabulary.look_up(text, starts, ends)
        in_run = self.neighbours.find_runs(numbers)
        alone = np.flatnonzero(self.is_name[numbers] & ~in_run)
        # One word of those between two runs is enough to part them.
        kept = in_run.copy()
        kept[1:] |= in_run[:-1]
        places = np.flatnonzero(kept)
        codes = self.codes[np.where(in_run[places], numbers[places], 0)]
        found = self.automaton.find_matches_as_indexes(codes.tobytes())
        matches = np.fromiter(chain.from_iterable(found), dtype=np.int64, count=3 * len(found)).reshape(-1, 3)
        tokens = np.concatenate((alone, places[matches[:, 1] // self.width]))
        special = np.concatenate((self.is_special[numbers[alone]], self.special[matches[:, 0]]))
        lines = np.searchsorted(line_ends, starts[tokens])
        n_lines = len(line_ends) + 1
        return np.bincount(lines, minlength=n_lines), np.bincount(lines[special], minlength=n_lines)


class NeighbourFilter:
    """Tells which words may stand next to each other in a name. It may say yes to others, never no to these.

    A bit for each hash of a pair of words, a sixteenth of them set at most.

    numbers (NDArray[np.int32]): the numbers of the words of all names, 0 between two names.
    """

    def __init__(self, numbers: NDArray[np.int32]) -> None:
        pairs = np.flatnonzero((numbers[:-1] > 0) & (numbers[1:] > 0))
        bits = max(10, (16 * len(pairs)).bit_length())
        self.shift = np.uint64(64 - bits)
        places = self._places(numbers, pairs)
        self.table = np.zeros(1 << (bits - 3), dtype=np.uint8)
        np.bitwise_or.at(self.table, places >> 3, BITS[places & 7])

    def _places(self, numbers: NDArray[np.int32], pairs: Indices) -> Indices:
        """Return the bits of the pairs of the words at these places and at the next ones."""
        first, second = numbers[pairs].astype(np.uint64), numbers[pairs + 1].astype(np.uint64)
        return ((((first << HALF) | second) * FACTORS[0]) >> self.shift).view(np.int64)

    def find_runs(self, numbers: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Say of each word of a text whether it and the one before or after it may stand so in a name."""
        known = numbers > 0
        pairs = np.flatnonzero(known[:-1] & known[1:])
        places = self._places(numbers, pairs)
        pairs = pairs[(self.table[places >> 3] & BITS[places & 7]) > 0]
        in_run = np.zeros(len(numbers), dtype=bool)
        in_run[pairs] = True
        in_run[pairs + 1] = True
        return in_run


def make_codes(n_words: int) -> NDArray[np.uint8]:
    """Return codes for words numbered from 1; that of 0 stands for any other word.

    n_words (int): the number of words.
    RETURNS (NDArray[np.uint8]): a code a row, shape (n_words + 1, width).
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
