"""The words and symbols of a block of text, and their numbers in a list of words.

A *word* is a longest run of word characters: letters, marks, numbers and the underscore, by their Unicode category.
Any other character but white space is a *symbol*. Both are tokens here. A language without blanks between its words
has runs that are clauses, and this module is no use for it.

Text comes as UTF-8 bytes, since numpy can compare, cut and hash an array of bytes at once. A Python object for each
word would take longer than all the rest of the selection.
"""

from functools import lru_cache
from typing import Tuple
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

BLANK, WORD, SYMBOL, INSIDE_SYMBOL = range(4)

# Kinds of ASCII bytes; other bytes count as those of words until their characters are looked at. A line end is a
# symbol that no name holds, so that no name is found across it.
KINDS = bytes(
    WORD if byte >= 0x80 or chr(byte).isalnum() or chr(byte) == "_" else BLANK if chr(byte) == " " else SYMBOL
    for byte in range(256)
)

# The bytes of a word of n <= 8 bytes in the lower bytes of a 64-bit number, and nothing above them.
LOWER_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
# Odd, so that multiplication loses nothing.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=np.uint64)
HALF, SHIFT = np.uint64(32), np.uint64(29)
# Size of the table of code points. The characters above it are rare and are looked up one by one.
TABLE = 0x20000


def is_word_character(point: int) -> bool:
    """Say whether a code point is a word character."""
    return category(chr(point))[0] in "LMN" or chr(point) == "_"


@lru_cache(maxsize=1)
def word_characters() -> NDArray[np.bool_]:
    """Return for each code point below `TABLE` whether it is a word character."""
    return np.fromiter(map(is_word_character, range(TABLE)), dtype=bool, count=TABLE)


def find_tokens(text: bytes) -> Tuple[Indices, Indices]:
    """Find the words and symbols of a text.

    text (bytes): UTF-8, with no white space but blanks and line ends; the latter are symbols.
    RETURNS (Tuple[Indices, Indices]): where each token begins and where it ends (exclusive), in bytes, in order.
    """
    if not text:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    kinds = np.frombuffer(bytearray(text.translate(KINDS)), dtype=np.uint8)
    if not text.isascii():
        _mark_symbols(np.frombuffer(text, dtype=np.uint8), kinds)
    changes = kinds[1:] != kinds[:-1]
    # A symbol ends before the next one; its further bytes are of the fourth kind.
    symbol = kinds == SYMBOL
    starts = np.concatenate(([True], changes))
    starts |= symbol
    starts &= (kinds == WORD) | symbol
    ends = np.concatenate((changes, [True]))
    ends[:-1] |= symbol[1:]
    ends &= kinds != BLANK
    inside = kinds == INSIDE_SYMBOL
    if inside.any():
        ends[:-1] &= ~inside[1:]
    return np.flatnonzero(starts), np.flatnonzero(ends) + 1


def _mark_symbols(text: Bytes, kinds: Bytes) -> None:
    """Set the kinds of characters outside ASCII that are no word characters, in place."""
    leads = np.flatnonzero(text >= 0xC0)
    sizes = 2 + (text[leads] >= 0xE0) + (text[leads] >= 0xF0)
    # The lead byte of n has 7 - n bits of the code point, each byte after it six.
    points = text[leads] & (0x7F >> sizes)
    points = points.astype(np.uint32)
    for i in range(1, 4):
        more = sizes > i
        points[more] = (points[more] << 6) | (text[leads[more] + i] & 0x3F)
    symbols = ~word_characters()[np.minimum(points, TABLE - 1)]
    rare = np.flatnonzero(points >= TABLE)
    symbols[rare] = [not is_word_character(point) for point in points[rare].tolist()]
    leads, sizes = leads[symbols], sizes[symbols]
    kinds[leads] = SYMBOL
    for i in range(1, 4):
        kinds[leads[sizes > i] + i] = INSIDE_SYMBOL


def hash_tokens(text: bytes, starts: Indices, ends: Indices, longest: int) -> Hashes:
    """Return a 64-bit hash for each token.

    Tokens of up to eight bytes have hashes of their own; of longer ones, two given ones share theirs with a chance of
    about 2 ** -64. No token has the hash 0, as none holds the character U+0000.

    text (bytes): the text.
    starts (Indices): where each token begins.
    ends (Indices): where it ends.
    longest (int): bytes that are looked at; the hash of a longer token is that of its beginning.
    RETURNS (Hashes): the hashes, the same in each run.
    """
    sizes = ends - starts
    padded = text + bytes(8)
    # The eight bytes from each place on; nothing is copied.
    eights: Hashes = np.ndarray((len(text) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    hashes = eights[starts] & LOWER_BYTES[np.minimum(sizes, 8)]
    offset = 8
    long = np.flatnonzero(sizes > offset)
    while len(long) and offset < longest:
        hashes[long] = (hashes[long] * FACTORS[0]) ^ (hashes[long] >> SHIFT)
        hashes[long] += eights[starts[long] + offset] & LOWER_BYTES[np.minimum(sizes[long] - offset, 8)]
        offset += 8
        long = long[sizes[long] > offset]
    hashes *= FACTORS[0]
    hashes ^= hashes >> HALF
    return hashes


class Vocabulary:
    """The words and symbols of a list, numbered from 1, to be looked up by their hashes.

    A hash table with linear probing, a quarter full at most.

    hashes (Hashes): the hashes of the words; each may stand several times.
    longest (int): bytes of the longest word.
    """

    def __init__(self, hashes: Hashes, longest: int) -> None:
        unique = np.unique(hashes)
        self.size = len(unique)
        self.longest = longest
        bits = max(4, int(4 * self.size).bit_length())
        self.shift = np.uint64(64 - bits)
        self.mask = (1 << bits) - 1
        self.keys = np.zeros(1 << bits, dtype=np.uint64)
        self.numbers = np.zeros(1 << bits, dtype=np.int32)
        places, numbers = self._places(unique), np.arange(1, self.size + 1, dtype=np.int32)
        while len(unique):
            free = self.keys[places] == 0
            # Of several at one place the last stays, the others see another key there and move on.
            self.keys[places[free]] = unique[free]
            settled = self.keys[places] == unique
            self.numbers[places[settled]] = numbers[settled]
            unique, numbers = unique[~settled], numbers[~settled]
            places = (places[~settled] + 1) & self.mask

    @classmethod
    def of_tokens(cls, text: bytes, starts: Indices, ends: Indices) -> "Vocabulary":
        """Make the vocabulary of the tokens of a text."""
        longest = int((ends - starts).max(initial=0))
        return cls(hash_tokens(text, starts, ends, longest), longest)

    def _places(self, hashes: Hashes) -> Indices:
        return (hashes * FACTORS[1] >> self.shift).view(np.int64)

    def look_up(self, text: bytes, starts: Indices, ends: Indices) -> NDArray[np.int32]:
        """Return the number of each token of a text, 0 for one that is not in the list."""
        numbers = self._find(hash_tokens(text, starts, ends, self.longest))
        numbers[ends - starts > self.longest] = 0
        return numbers

    def _find(self, hashes: Hashes) -> NDArray[np.int32]:
        """Return the numbers of hashes."""
        places = self._places(hashes)
        keys = self.keys[places]
        other = keys != hashes
        numbers = self.numbers[places]
        numbers[other] = 0
        probing = np.flatnonzero(other & (keys != 0))
        while len(probing):
            places[probing] = (places[probing] + 1) & self.mask
            keys = self.keys[places[probing]]
            found = keys == hashes[probing]
            numbers[probing[found]] = self.numbers[places[probing[found]]]
            probing = probing[~found & (keys != 0)]
        return numbers
