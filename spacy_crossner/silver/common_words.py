"""Names that are also common words, recognized by their case and their frequency in the raw text."""

from typing import Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.normal_form import name_keys
from ..text.words import Vocabulary, find_tokens, is_word_character

# After these characters a word may have a capital that says nothing about it, as at the beginning of a line.
CAPITAL_FOLLOWS = b".!?:;\"'\n"
# A lower-case word with fewer occurrences is not called frequent, however short the text is.
FEWEST = 10
MILLION = 1_000_000


class WordCounter:
    """Counts in raw text how often names of one word are written as in the list, and how often in lower case.

    Two rules make such a name a common word:

    - It begins with a capital and goes on in lower case ("Help"), and the text has it in lower case more than `ratio`
      times as often as with the capital. Words at the beginning of a line, and after a stop, a colon, a semicolon or a
      quotation mark, do not count: there, any word may have a capital. An abbreviation ("MAP") is found in capitals
      only, and is no common word. With `ignore_case` the rule holds for every name with a capital.
    - The list has it in lower case ("model"), and it occurs more than `frequent` times in a million words of the text,
      and at least 10 times.

    names (Sequence[str]): the names in their normal form.
    ignore_case (bool): whether names are found in any case.
    """

    def __init__(self, names: Sequence[str], *, ignore_case: bool = False) -> None:
        self.n_names = len(names)
        self.places = np.array([i for i, name in enumerate(names) if _is_counted(name, ignore_case)], dtype=np.int64)
        words = [names[i] for i in self.places.tolist()]
        self.is_lower = np.array([word == word.lower() for word in words], dtype=bool)
        # Two forms for each word. Lower case may make two letters of one, but no two words.
        text = "\n".join(form for word in words for form in (word, word.lower())).encode("utf-8")
        starts, ends = _find_words(text)
        self.vocabulary = Vocabulary.of_tokens(text, starts, ends)
        self.numbers = self.vocabulary.look_up(text, starts, ends).reshape(-1, 2)
        self.counts = np.zeros(self.vocabulary.size + 1, dtype=np.int64)

    def add(self, block: bytes) -> None:
        """Count the words of a block of lines, as `read_blocks` yields them."""
        text = name_keys(block)
        starts, ends = find_tokens(text)
        if not len(starts):
            return
        first = np.frombuffer(text, dtype=np.uint8)[starts]
        follows = np.isin(first, np.frombuffer(CAPITAL_FOLLOWS, dtype=np.uint8))
        counted = np.concatenate(([False], ~follows[:-1]))
        numbers = self.vocabulary.look_up(text, starts[counted], ends[counted])
        self.counts += np.bincount(numbers, minlength=len(self.counts))

    def common_words(self, ratio: float, frequent: float) -> NDArray[np.bool_]:
        """Return which names are common words, shape (n_names,).

        ratio (float): see the first rule.
        frequent (float): see the second rule.
        """
        as_listed, lower = self.counts[self.numbers].T
        is_frequent = (lower >= FEWEST) & (lower * MILLION > frequent * self.counts.sum())
        is_common = np.zeros(self.n_names, dtype=bool)
        is_common[self.places] = np.where(self.is_lower, is_frequent, lower > ratio * as_listed)
        return is_common

    def counts_of(self, name: int) -> Tuple[int, int]:
        """Return how often a name of one word was counted as in the list, and in lower case."""
        as_listed, lower = self.counts[self.numbers[np.searchsorted(self.places, name)]].tolist()
        return as_listed, lower


def _find_words(lines: bytes) -> Tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts, ends = find_tokens(lines)
    is_word = np.frombuffer(lines, dtype=np.uint8)[starts] != ord("\n")
    return starts[is_word], ends[is_word]


def _is_counted(name: str, ignore_case: bool) -> bool:
    """Return whether a name is one word that a rule may make a common word."""
    if not name or not all(is_word_character(ord(character)) for character in name):
        return False
    return ignore_case or name == name.lower() or (name[0].isupper() and name[1:].islower())
