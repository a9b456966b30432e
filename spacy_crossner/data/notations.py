"""How tags are written: `B-PER`, `B_PER`, `PER-B`, `b-per`, a bare `B`, or the bare label `PER`.

All are read as `B-PER`, the bare label as `I-PER`.

The scheme (see `schemes`) says what the letters B, I, E, S mean, the notation where they stand.
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


# The type of entities whose tags name none.
BARE_LABEL = "ENTITY"

LETTERS = "BIESLUMW"

# In the order in which they are tried: of two that read as many tags the first is taken.
_PATTERNS = {
    Notation.prefix: re.compile(f"(?P<letter>[{LETTERS}])-(?P<label>.*)"),
    Notation.underscore: re.compile(f"(?P<letter>[{LETTERS}])_(?P<label>.+)"),
    Notation.suffix: re.compile(f"(?P<label>.+)[-_](?P<letter>[{LETTERS}])"),
    Notation.lower_case: re.compile(f"(?P<letter>[{LETTERS.lower()}])[-_](?P<label>.+)"),
    Notation.bare: re.compile(f"(?P<letter>[{LETTERS}{LETTERS.lower()}])"),
}
# A bare label is a name: numbers, `_`, `-` and punctuation are of other columns.
_LABEL = re.compile(r"[^\W\d_][\w/&+ -]*")
# Tags of chunks, as CoNLL-2000 and CoNLL-2003 have them beside the entities, and their names in German and French.
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
    def share(self) -> float:
        """The share of the tags that it reads."""
        return (self.entities + self.outside) / max(1, self.entities + self.outside + self.unknown)

    @property
    def is_chunks(self) -> bool:
        """Whether the tags are those of chunks, by their labels: their number says nothing, entities may be dense."""
        return bool(self.entities) and self.labels <= CHUNKS

    @property
    def is_sure(self) -> bool:
        """Whether these are tags, not parts of speech or letters that look so: one is O, or they are written B-X."""
        if self.notation is Notation.label:  # a word of a text may be o
            return 10 * self.outside > self.entities
        return self.outside > 0 or (self.entities > 0 and self.notation is Notation.prefix)


def split_written(tag: str, notation: Notation) -> Optional[Tuple[str, str]]:
    """Return letter and label of a cleaned tag, `("O", "")` outside; None for one that the notation does not read."""
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
        parts = split_written(tag, notation)
        if parts is None:
            reading.unknown += count
        elif parts[0] == OUTSIDE:
            reading.outside += count
        else:
            reading.entities += count
            labels.add(parts[1])
    reading.labels = frozenset(labels)
    return reading


def find_notation(values: Counter[str]) -> Reading:
    """Return how the tags of a column are written, by what most of them are. None may be a tag.

    Bare labels are taken for tags where nothing else reads half of the tags, nine in ten values are labels or `O`,
    `O` is the most frequent one, and labels are repeated: they are of a closed set, not words.
    """
    tags: Counter[str] = Counter()
    for value, count in values.items():
        tags[clean_label(value)] += count
    readings = [read_counts(tags, notation) for notation in _PATTERNS]
    # Letters alone say little: with others among them they are no tags.
    sure = [reading for reading in readings if reading.notation is not Notation.bare or reading.share >= 0.9]
    best = max(sure, key=lambda reading: reading.entities)
    if best.entities < best.unknown:
        labels = read_counts(tags, Notation.label)
        most = max(count for tag, count in tags.items() if tag.upper() != OUTSIDE)
        if labels.share >= 0.9 and labels.outside >= most and 2 * len(labels.labels) <= sum(tags.values()):
            return labels
    return best


class TagWriter:
    """Writes the tags of a file as `B-PER`, whatever their notation.

    reading (Reading): how the file writes them.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.written: Dict[str, Tuple[str, bool]] = {}
        self.cleaned = 0

    def __call__(self, value: str) -> str:
        """Return a tag, cleaned. One that the notation does not read stays as it is, for `to_bio` to report."""
        if value not in self.written:
            tag = clean_label(value)
            parts = split_written(tag, self.reading.notation)
            written = tag if parts is None else parts[0] if parts[0] == OUTSIDE else "-".join(parts)
            self.written[value] = written, tag != value
        written, cleaned = self.written[value]
        self.cleaned += cleaned
        return written

    def reads(self, value: str) -> bool:
        """Say whether a value is a tag: for sure, so that bare labels are those of the file alone."""
        parts = split_written(clean_label(value), self.reading.notation)
        is_known = self.reading.notation is not Notation.label or (parts and parts[1] in {"", *self.reading.labels})
        return parts is not None and bool(is_known)

    def begins_label(self, value: str) -> bool:
        """Say whether a value is a tag whose label may go on behind a blank."""
        may = self.reading.notation in (Notation.prefix, Notation.underscore, Notation.lower_case)
        parts = split_written(clean_label(value), self.reading.notation)
        return may and parts is not None and bool(parts[1])
