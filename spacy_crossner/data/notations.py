"""Notations of tags: `B-PER`, `B_PER`, `PER-B`, `b-per`, a bare `B`, or the bare label `PER`.

All are read as `B-PER`, the bare label as `I-PER`. The notation is the position of the letters B, I, E, S in a tag;
the scheme (see `schemes`) is their meaning.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Dict, FrozenSet, Optional, Tuple

from ..annotations.tags import OUTSIDE
from .characters import clean_label


class Notation(StrEnum):
    """A way to write a tag, named by an example."""

    prefix = "B-X"
    underscore = "B_X"
    suffix = "X-B"
    lower_case = "b-x"
    bare = "B"
    label = "X"


# The type of entities whose tags have no type.
BARE_LABEL = "ENTITY"

LETTERS = "BIESLUMW"

# In order of preference: of two notations that read the same number of tags, the first is used.
_PATTERNS = {
    Notation.prefix: re.compile(f"(?P<letter>[{LETTERS}])-(?P<label>.*)"),
    Notation.underscore: re.compile(f"(?P<letter>[{LETTERS}])_(?P<label>.+)"),
    Notation.suffix: re.compile(f"(?P<label>.+)[-_](?P<letter>[{LETTERS}])"),
    Notation.lower_case: re.compile(f"(?P<letter>[{LETTERS.lower()}])[-_](?P<label>.+)"),
    Notation.bare: re.compile(f"(?P<letter>[{LETTERS}{LETTERS.lower()}])"),
}
# A bare label is a name. Numbers, `_`, `-` and punctuation belong to other columns.
_LABEL = re.compile(r"[^\W\d_][\w/&+ -]*")
# Tags of chunks, a further column in CoNLL-2000 and CoNLL-2003, and their names in German and French.
CHUNKS = frozenset(["NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "INTJ", "CONJP", "LST", "UCP"])
CHUNKS |= {"NC", "VC", "PC", "ADVC", "ADJC", "CONJC", "AP", "VN", "AdP", "COORD", "QP", "WHNP", "WHPP", "WHADVP"}


@dataclass
class Reading:
    """How well a notation fits a column.

    notation (Notation): the notation.
    entities (int): the tags other than O that it reads.
    outside (int): the tags that are O.
    unknown (int): the tags that it does not read.
    labels (FrozenSet[str]): the labels that it reads.
    """

    notation: Notation
    entities: int = 0
    outside: int = 0
    unknown: int = 0
    labels: FrozenSet[str] = field(default_factory=frozenset)

    @property
    def coverage(self) -> float:
        """The fraction of the tags that it reads."""
        return (self.entities + self.outside) / max(1, self.entities + self.outside + self.unknown)

    @property
    def is_chunks(self) -> bool:
        """Whether the tags are chunk tags, by their labels. Their number is no evidence: entities may be dense."""
        return bool(self.entities) and self.labels <= CHUNKS

    @property
    def is_sure(self) -> bool:
        """Whether these are tags, not parts of speech or letters that look alike: one is O, or they are written B-X."""
        if self.notation is Notation.label:  # in a column of words, one word may be o
            return 10 * self.outside > self.entities
        return self.outside > 0 or (self.entities > 0 and self.notation is Notation.prefix)


def split_written(tag: str, notation: Notation) -> Optional[Tuple[str, str]]:
    """Return letter and label of a cleaned tag, `("O", "")` outside; None for an unknown tag."""
    if tag in (OUTSIDE, OUTSIDE.lower()):
        return OUTSIDE, ""
    if notation is Notation.label:
        return ("I", tag) if _LABEL.fullmatch(tag) else None
    match = _PATTERNS[notation].fullmatch(tag)
    if match is None:
        return None
    return match["letter"].upper(), BARE_LABEL if notation is Notation.bare else match["label"].strip()


def read_counts(tags: Counter[str], notation: Notation) -> Reading:
    """Try a notation on the tags of a column, counted."""
    reading, labels = Reading(notation), set()
    for tag, count in tags.items():
        letter_and_label = split_written(tag, notation)
        if letter_and_label is None:
            reading.unknown += count
        elif letter_and_label[0] == OUTSIDE:
            reading.outside += count
        else:
            reading.entities += count
            labels.add(letter_and_label[1])
    reading.labels = frozenset(labels)
    return reading


def find_notation(values: Counter[str]) -> Reading:
    """Return the notation that reads most values of a column, which need not hold tags at all.

    Bare labels are taken for tags if no other notation reads half of the values, nine in ten values are labels or `O`,
    `O` is the most frequent one, and labels are repeated: then they are of a closed set, not words.
    """
    tags: Counter[str] = Counter()
    for value, count in values.items():
        tags[clean_label(value)] += count
    readings = [read_counts(tags, notation) for notation in _PATTERNS]
    # Bare letters are weak evidence: mixed with other values they are no tags.
    plausible = [reading for reading in readings if reading.notation is not Notation.bare or reading.coverage >= 0.9]
    best = max(plausible, key=lambda reading: reading.entities)
    if best.entities < best.unknown:
        labels = read_counts(tags, Notation.label)
        highest_count = max(count for tag, count in tags.items() if tag.upper() != OUTSIDE)
        if labels.coverage >= 0.9 and labels.outside >= highest_count and 2 * len(labels.labels) <= sum(tags.values()):
            return labels
    return best


class TagWriter:
    """Writes the tags of a file as `B-PER`, whatever their notation.

    reading (Reading): the notation of the file.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.written: Dict[str, Tuple[str, bool]] = {}
        self.cleaned = 0

    def __call__(self, value: str) -> str:
        """Return a tag, cleaned. A tag that the notation does not read stays as it is; `to_bio` reports it."""
        if value not in self.written:
            tag = clean_label(value)
            letter_and_label = split_written(tag, self.reading.notation)
            written = (
                tag
                if letter_and_label is None
                else letter_and_label[0]
                if letter_and_label[0] == OUTSIDE
                else "-".join(letter_and_label)
            )
            self.written[value] = written, tag != value
        written, cleaned = self.written[value]
        self.cleaned += cleaned
        return written

    def reads(self, value: str) -> bool:
        """Return whether a value is certainly a tag; a bare label only if it is one of the file's labels."""
        letter_and_label = split_written(clean_label(value), self.reading.notation)
        is_known = self.reading.notation is not Notation.label or (
            letter_and_label and letter_and_label[1] in {"", *self.reading.labels}
        )
        return letter_and_label is not None and bool(is_known)

    def begins_label(self, value: str) -> bool:
        """Return whether a value is a tag whose label may continue after a blank."""
        has_prefix = self.reading.notation in (Notation.prefix, Notation.underscore, Notation.lower_case)
        letter_and_label = split_written(clean_label(value), self.reading.notation)
        return has_prefix and letter_and_label is not None and bool(letter_and_label[1])
