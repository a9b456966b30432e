"""Finds the names of an entity list in sentences: counts of them, or their places among the tokens of docs.

NumPy finds and numbers the tokens of a block of sentences at once (`words.py`), and an Aho-Corasick automaton searches
for sequences of these numbers. The simple alternative splits tokens with a regular expression and searches the text. It
gives the same counts, but takes about 4 times as long, or 2.3 times as long with the fastest substitute for the regular
expression (`benchmarks/select_parts.py`).
"""

from itertools import chain
from typing import Collection, Dict, Iterator, List, NamedTuple, Sequence, Tuple

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


class NameCodes:
    """Names and text as byte strings, with a code of fixed width for each token.

    Tokens are words (runs of word characters) and symbols (single other characters), see `words.py`. Each token of the
    names has a number, and each number has a code. For a list of a million names, an automaton over codes is far
    smaller than one over letters. It also needs no check for word boundaries.

    names (Sequence[str]): the names in their normal form, see `name_key`.
    ignore_case (bool): ignore case in names and text (Unicode's full case folding).
    """

    def __init__(self, names: Sequence[str], *, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case
        text = self.normalise(names)
        starts, ends = find_tokens(text)
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8)[starts] == LINE_END)
        in_name = np.ones(len(starts), dtype=bool)
        in_name[line_ends] = False
        self.vocabulary = Vocabulary.of_tokens(text, starts[in_name], ends[in_name])
        self.codes = make_codes(self.vocabulary.size)
        self.width = self.codes.shape[1]
        # The code of each name. Names that differ only in white space have the same code.
        self.patterns = list(self._patterns(self.vocabulary.look_up(text, starts, ends), line_ends))

    def _patterns(self, numbers: NDArray[np.int32], line_ends: Indices) -> Iterator[bytes]:
        codes = self.codes[numbers].tobytes()
        start = 0
        for end in [*line_ends.tolist(), len(numbers)]:
            yield codes[start * self.width : end * self.width]
            start = end + 1

    def normalise(self, lines: Sequence[str]) -> bytes:
        """Return the normal forms of lines, joined by line ends."""
        return name_keys("\n".join(lines).encode("utf-8"), ignore_case=self.ignore_case)

    def encode(self, text: bytes, starts: Indices, ends: Indices) -> bytes:
        """Return the codes of the tokens of a text.

        text (bytes): the text in its normal form.
        starts (Indices): start of each token.
        ends (Indices): end of each token, exclusive.
        """
        return self.codes[self.vocabulary.look_up(text, starts, ends)].tobytes()


class EntityMatcher:
    """Counts the mentions of an entity list in sentences.

    A mention is a sequence of tokens of one sentence that equals the tokens of a name; see `NameCodes`. So no mention
    begins or ends inside a word, and white space between tokens does not matter: the name "CIFAR - 10" matches
    "CIFAR-10". Of overlapping mentions, the one that begins first counts; of mentions with the same start, the one with
    the most tokens. Every mention counts, including repeated ones. Names and sentences are compared by their normal
    forms, see `normal_form.name_key`.

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
        self.codes = NameCodes(entities.names, ignore_case=ignore_case)
        is_special: Dict[bytes, bool] = {}
        of_type = entities.types or [""] * len(entities.names)
        for kind, pattern in zip(of_type, self.codes.patterns, strict=True):
            is_special[pattern] = is_special.get(pattern, False) or not types or kind in types
        self.is_special = np.fromiter(is_special.values(), dtype=bool, count=len(is_special))
        self.automaton = BytesAhoCorasick(is_special, matchkind=MatchKind.LeftmostLongest)

    def count(self, sentences: Sequence[str]) -> Tuple[Counts, Counts]:
        """Count the mentions in each sentence.

        sentences (Sequence[str]): one or more sentences, without line ends.
        RETURNS (Tuple[Counts, Counts]): for each sentence, the number of mentions, and the number of special mentions.
        """
        text = self.codes.normalise(sentences)
        line_ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == LINE_END)
        starts, ends = find_tokens(text)
        table = _match_table(self.automaton.find_matches_as_indexes(self.codes.encode(text, starts, ends)))
        sentence_of_match = np.searchsorted(line_ends, starts[table[:, 1] // self.codes.width])
        special = sentence_of_match[self.is_special[table[:, 0]]]
        size = len(sentences)
        return np.bincount(sentence_of_match, minlength=size), np.bincount(special, minlength=size)


class Mention(NamedTuple):
    """A name in a doc: its first token, its end (exclusive), and the index of the name among the distinct names."""

    start: int
    end: int
    name: int


class NameFinder:
    """Finds names in docs: the longest matches on whole tokens of the docs.

    A mention is a sequence of whole tokens of a doc with the same words and symbols as a name, see `EntityMatcher`: the
    name "CIFAR - 10" matches the token "CIFAR-10", and "CIFAR" does not. Of overlapping mentions, the one that begins
    first counts; of mentions with the same start, the longest.

    names (Sequence[str]): the names in their normal form, at least one. `number_of` holds the index of each among the
        distinct names: names that differ only in white space, or with `ignore_case` in case, have the same index.
    ignore_case (bool): ignore case in names and text (Unicode's full case folding).
    """

    def __init__(self, names: Sequence[str], *, ignore_case: bool = False) -> None:
        self.codes = NameCodes(names, ignore_case=ignore_case)
        numbers: Dict[bytes, int] = {}
        self.number_of = [numbers.setdefault(pattern, len(numbers)) for pattern in self.codes.patterns]
        # All matches, and not the longest: a longer match may end within a token of the doc.
        self.automaton = BytesAhoCorasick(numbers, matchkind=MatchKind.Standard)

    def find(self, docs: Sequence[Sequence[str]]) -> List[List[Mention]]:
        """Return the mentions of each doc, in order.

        docs (Sequence[Sequence[str]]): the tokens of each doc.
        """
        mentions: List[List[Mention]] = [[] for _ in docs]
        tokens = [token.replace("\n", " ") for doc in docs for token in doc]
        if not tokens:
            return mentions
        text = self.codes.normalise(tokens)
        starts, ends = find_tokens(text)
        is_line_end = np.frombuffer(text, dtype=np.uint8)[starts] == LINE_END
        # The token that each word or symbol is part of.
        token = np.cumsum(is_line_end)[~is_line_end]
        starts, ends = starts[~is_line_end], ends[~is_line_end]
        changes = np.flatnonzero(np.diff(token, prepend=-1, append=len(tokens)))
        begins = np.zeros(len(token) + 1, dtype=bool)
        begins[changes] = True
        codes = self.codes.encode(text, starts, ends)
        table = _match_table(self.automaton.find_matches_as_indexes(codes, overlapping=True))
        names, firsts, lasts = table[:, 0], table[:, 1] // self.codes.width, table[:, 2] // self.codes.width
        doc_starts = np.cumsum([0, *map(len, docs)])
        of_doc = np.searchsorted(doc_starts, token, side="right") - 1
        whole = begins[firsts] & begins[lasts] & (of_doc[firsts] == of_doc[lasts - 1])
        names, firsts, lasts = names[whole], token[firsts[whole]], token[lasts[whole] - 1] + 1
        free = 0
        for i in np.lexsort((-lasts, firsts)).tolist():
            if firsts[i] >= free:
                free = int(lasts[i])
                doc = int(np.searchsorted(doc_starts, firsts[i], side="right")) - 1
                shift = int(doc_starts[doc])
                mentions[doc].append(Mention(int(firsts[i]) - shift, free - shift, int(names[i])))
        return mentions


def _match_table(matches: Sequence[Tuple[int, int, int]]) -> Counts:
    """Return matches as an array. Its columns are the index of the pattern, start and end; shape (n_matches, 3)."""
    return np.fromiter(chain.from_iterable(matches), np.int64, 3 * len(matches)).reshape(-1, 3)


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
