"""The words and symbols of a block of text, and their numbers in a list of words.

A *word* is a maximal run of word characters: letters, marks, numbers and the underscore, by their Unicode category. Any
other character except white space is a *symbol*. Both are tokens here. This module is not suitable for languages
without blanks between words, where such a run is a whole clause.

Text is processed as UTF-8 bytes, because NumPy can compare, cut and hash an array of bytes at once. Creating a Python
object for each word would take longer than all other parts of the selection.
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

# The kind of each ASCII byte. Other bytes are words at first; `_mark_symbols` corrects the symbols among them. A line
# end is a symbol that occurs in no name, so that no mention crosses it.
KINDS = bytes(
    WORD if byte >= 0x80 or chr(byte).isalnum() or chr(byte) == "_" else BLANK if chr(byte) == " " else SYMBOL
    for byte in range(256)
)

# Masks that keep the lower n bytes of a 64-bit number, n = 0 to 8.
LOWER_BYTES = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
# Factors of the hash. They are odd, so that multiplication modulo 2 ** 64 is invertible.
FACTORS = np.array([0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93], dtype=np.uint64)
HALF, SHIFT = np.uint64(32), np.uint64(29)
# Size of the table of code points. Characters above it are rare and are checked one by one.
TABLE = 0x20000


def is_word_character(point: int) -> bool:
    """Return whether a code point is a word character."""
    return category(chr(point))[0] in "LMN" or chr(point) == "_"


@lru_cache(maxsize=1)
def word_characters() -> NDArray[np.bool_]:
    """Return for each code point below `TABLE` whether it is a word character."""
    return np.fromiter(map(is_word_character, range(TABLE)), dtype=bool, count=TABLE)


def find_tokens(text: bytes) -> Tuple[Indices, Indices]:
    """Find the words and symbols of a text.

    text (bytes): UTF-8. Its only white space is blanks and line ends; line ends are symbols.
    RETURNS (Tuple[Indices, Indices]): start and end (exclusive) of each token in bytes, in order.
    """
    if not text:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    kinds = np.frombuffer(bytearray(text.translate(KINDS)), dtype=np.uint8)
    if not text.isascii():
        _mark_symbols(np.frombuffer(text, dtype=np.uint8), kinds)
    changes = kinds[1:] != kinds[:-1]
    # Each symbol is a token by itself. Its bytes after the first have the kind INSIDE_SYMBOL.
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
    """Set the kind of symbols outside ASCII, in place."""
    leads = np.flatnonzero(text >= 0xC0)
    sizes = 2 + (text[leads] >= 0xE0) + (text[leads] >= 0xF0)
    # In a character of n bytes, the first byte holds 7 - n bits of the code point, and each further byte six.
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

    Different tokens of up to eight bytes have different hashes. Two longer tokens collide with a probability of about
    2 ** -64. No token has the hash 0, because no token contains the character U+0000.

    text (bytes): the text.
    starts (Indices): start of each token.
    ends (Indices): end of each token, exclusive.
    longest (int): number of bytes to hash. Of a longer token, only its first bytes are hashed.
    RETURNS (Hashes): the hashes, the same in each process.
    """
    sizes = ends - starts
    padded = text + bytes(8)
    # A view, without a copy, of the eight bytes that begin at each position.
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
    """The words and symbols of a list, numbered from 1: a hash table with linear probing, at most a quarter full.

    hashes (Hashes): the hashes of the words; repetitions are allowed.
    longest (int): number of bytes of the longest word.
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
            # If several keys have the same place, the last one gets it. All others move on to the next place.
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
        """Return the number of each token of a text, 0 for a token that is not in the list."""
        numbers = self._find(hash_tokens(text, starts, ends, self.longest))
        numbers[ends - starts > self.longest] = 0
        return numbers

    def _find(self, hashes: Hashes) -> NDArray[np.int32]:
        """Return the number of each hash, 0 for an unknown hash."""
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
