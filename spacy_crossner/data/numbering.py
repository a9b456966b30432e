"""Recognize columns of numbers: of tokens, of sentences, of anything else. Values are grouped by sentence, in order."""

import itertools
import re
from typing import Sequence

# A token's number. CoNLL-U also has ranges for tokens of several words (1-2), and empty nodes (3.1).
NUMBER = re.compile(r"\d+")
RANGE = re.compile(r"\d+[-.]\d+")
# The mark of a new sentence in some CSV files.
SENTENCE_MARK = re.compile(r"sentence\W*\d+", re.IGNORECASE)
# Up to this number of rows, consecutive numbers may be words by chance.
FEW = 10


def holds_numbers(values: Sequence[Sequence[str]]) -> bool:
    """Return whether a column holds only numbers, three or more."""
    return sum(map(len, values)) > 2 and all(map(all_numbers, values))


def counts_tokens(values: Sequence[Sequence[str]]) -> bool:
    """Return whether a column counts tokens: by one, from 0 or 1 in each sentence, or through the whole file."""
    stripped = [_without_prefix(group) for group in values]
    numbered = [[int(v) for v in group if not RANGE.fullmatch(v)] for group in stripped if all_numbers(group)]
    if len(numbered) < len(values) or sum(map(len, numbered)) < 2:
        return False
    pairs = [pair for group in numbered for pair in itertools.pairwise(group)]
    # The count may restart for a new sentence without a blank line before it.
    counted = sum(after == before + 1 or (after < before and after in (0, 1)) for before, after in pairs)
    rising = counted + sum(after > before + 1 for before, after in pairs)
    # Allows errors: skipped numbers, or any other error if it is rare.
    counting = 10 * counted >= 8 * len(pairs) or (2 * counted >= len(pairs) and rising == len(pairs))
    starts = [group[0] for group in numbered if group]
    all_numbers_in_order = [number for group in numbered for number in group]
    is_consecutive = all(after == before + 1 for before, after in itertools.pairwise(all_numbers_in_order))
    restarts = counting and 2 * sum(start in (0, 1) for start in starts) > len(starts)
    return restarts or (is_consecutive and (all_numbers_in_order[0] < 2 or len(all_numbers_in_order) > FEW))


def _without_prefix(group: Sequence[str]) -> Sequence[str]:
    """Remove a common prefix of several values, as in t1 t2 t3."""
    prefix = re.match(r"\D*", group[0])
    if len(group) < 3 or not prefix or not prefix[0] or not all(v.startswith(prefix[0]) for v in group):
        return group
    return [value.removeprefix(prefix[0]) for value in group]


def all_numbers(group: Sequence[str]) -> bool:
    """Return whether all values are numbers, or ranges of numbers, that Python can read."""
    return all(len(v) < 20 and v.isascii() and (NUMBER.fullmatch(v) or RANGE.fullmatch(v)) for v in group)


def counts_sentences(values: Sequence[Sequence[str]]) -> bool:
    """Return whether a column repeats the number of the sentence in each row."""
    if not all(all_numbers(group) and not any(map(RANGE.fullmatch, group)) for group in values):
        return False
    whole = [int(value) for group in values for value in group]
    return len(whole) > 2 and whole == sorted(whole) and len(set(whole)) < len(whole)


def marks_sentences(values: Sequence[Sequence[str]]) -> bool:
    """Return whether a column holds `Sentence: 1` in the first row of a sentence or in each row."""
    whole = [value for group in values for value in group if value]
    return bool(whole) and all(map(SENTENCE_MARK.fullmatch, whole))


def is_constant(values: Sequence[Sequence[str]]) -> bool:
    """Return whether a column has one value per sentence, like a document's name; needs a sentence of three rows."""
    return max(map(len, values), default=0) > 2 and all(len(set(group)) == 1 for group in values)
