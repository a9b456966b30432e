"""The unit of offsets: characters, or UTF-16 units (as JavaScript counts) or bytes (as Go and Rust do).

The unit is told from all spans of a file at once. A span fits in a unit where the text there is the words that the
span records; where it records none, where it begins and ends at the edges of words. Only spans that the units place
differently tell anything: those behind an emoji, or in UTF-8 behind any letter that is not ASCII.
"""

import re
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

from .alignment import CharSpan, shorten_int
from .faults import NO_UNIT, OFFSET_UNIT, SURFACE, Faults

CHARACTERS = "characters"
# What one character counts in the other units.
ENCODINGS = {"UTF-16 units": ("utf-16-le", 2), "bytes": ("utf-8", 1)}

# Letters of scripts that write no blank between words: any place between two of them may be an edge.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)


@dataclass
class Mark:
    """A span as a file has it.

    start (int): its first character, or unit.
    end (int): its end, exclusive.
    label (str): its label, empty for none.
    line (int): its line in the file.
    surface (Optional[str]): its words where the file records them.
    """

    start: int
    end: int
    label: str
    line: int
    surface: Optional[str] = None


@dataclass
class Marked:
    """A text and the spans that a file marks in it.

    text (str): the text.
    marks (Sequence[Mark]): the spans.
    faults (Faults): where faults of the marks are reported.
    """

    text: str
    marks: Sequence[Mark]
    faults: Faults


def resolve_offsets(items: Sequence[Marked], faults: Faults) -> List[List[CharSpan]]:
    """Return the spans of the texts of a file in characters.

    Characters are the rule, and what is read where all spans fit so. Where none of the spans that the units place
    differently fits so, and nearly all of them fit in another unit, they are read in that.

    items (Sequence[Marked]): all texts of the file.
    faults (Faults): notes another unit than characters.
    RETURNS (List[List[CharSpan]]): the spans of each text.
    RAISES (DataError): the unit cannot be told, some spans fit as characters alone and others in another unit alone,
        or the words of a span are not where its offsets are.
    """
    places = [_Places(item.text) for item in items]
    unit, suspects = _find_unit(items, places, faults)
    if unit != CHARACTERS:
        faults.note(f"spans whose offsets count {unit}, read so", sum(len(item.marks) for item in items))
    spans: List[List[CharSpan]] = []
    for item, place in zip(items, places, strict=True):
        spans.append([])
        for mark in item.marks:
            start, end = place.find(mark, unit) or (mark.start, mark.end)
            if id(mark) in suspects:
                found = f"{_name(mark)} that fits as {suspects[id(mark)]} alone, others as characters alone"
                item.faults.lose_span(OFFSET_UNIT, mark.line, found)
            elif mark.surface is not None and not same_words(item.text, start, end, mark.surface):
                found = f"{_name(mark)}, where the text is {item.text[max(0, start) : max(0, end)]!r:.60}"
                item.faults.lose_span(SURFACE, mark.line, f"{found} and not {mark.surface!r:.60}")
            else:
                spans[-1].append((start, end, mark.label))
    return spans


def _find_unit(items: Sequence[Marked], places: Sequence["_Places"], faults: Faults) -> Tuple[str, Dict[int, str]]:
    """Return the unit of a file, and spans that do not fit in it but in another one, by their identity."""
    fits: Dict[str, List[Mark]] = {unit: [] for unit in ENCODINGS}
    misfits: Dict[str, List[Mark]] = {unit: [] for unit in ENCODINGS}
    found: Dict[str, List[Optional[Tuple[int, int]]]] = {unit: [] for unit in ENCODINGS}
    moved: Dict[str, int] = dict.fromkeys(ENCODINGS, 0)
    both: Dict[str, int] = dict.fromkeys(ENCODINGS, 0)
    characters = 0  # spans that fit as characters, and in no other unit that places them differently
    for item, place in zip(items, places, strict=True):
        for mark in item.marks if place.counts else ():
            as_characters = place.fits(mark, CHARACTERS)
            others = {unit: place.find(mark, unit) for unit in ENCODINGS}
            alone = as_characters and any(span != (mark.start, mark.end) for span in others.values())
            for unit, span in others.items():
                found[unit].append(span)
                differs = span != (mark.start, mark.end)
                fitting = place.fits(mark, unit)
                moved[unit] += differs
                both[unit] += differs and fitting and as_characters
                alone = alone and not (differs and fitting)
                if differs and not as_characters:
                    (fits if fitting else misfits)[unit].append(mark)
            characters += alone
    candidates = [unit for unit in ENCODINGS if fits[unit]]
    if not candidates:
        for unit in ENCODINGS:
            if moved[unit] and both[unit] == moved[unit]:
                faults.note(f"spans that fit as {unit}, too, and were read as characters", both[unit])
        return CHARACTERS, {}
    if not characters:
        # A span may fail to fit for another reason, such as an edge within a word.
        read = [unit for unit in candidates if 4 * len(misfits[unit]) <= len(fits[unit])]
        if read and all(found[unit] == found[read[0]] for unit in read):
            return read[0], {}
        if len(read) > 1:
            raise faults.error(NO_UNIT, None, f"spans that fit as {' and as '.join(read)}, and not as characters")
        mark, unit = fits[candidates[0]][0], candidates[0]
        counts = f"{len(fits[unit]):,} spans that fit as {unit} alone, {len(misfits[unit]):,} that fit in no unit"
        raise faults.error(NO_UNIT, mark.line, f"{_name(mark)}; {counts}")
    return CHARACTERS, {id(mark): unit for unit in candidates for mark in fits[unit]}


class _Places:
    """Where the units of a text are among its characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        # For each unit that counts a character of the text otherwise: the character by the number of units before it.
        self.counts: Dict[str, Dict[int, int]] = {}
        if not text.isascii():
            for unit, (encoding, width) in ENCODINGS.items():
                counts, length = {0: 0}, 0
                for i, char in enumerate(text, 1):
                    length += len(char.encode(encoding)) // width
                    counts[length] = i
                if length != len(text):
                    self.counts[unit] = counts

    def find(self, mark: Mark, unit: str) -> Optional[Tuple[int, int]]:
        """Return a span in characters, None where an offset is within a character or beyond the text."""
        counts = self.counts.get(unit)
        if counts is None:
            return mark.start, mark.end
        start, end = counts.get(mark.start), counts.get(mark.end)
        return None if start is None or end is None else (start, end)

    def fits(self, mark: Mark, unit: str) -> bool:
        """Say whether a span has its words there, or begins and ends at edges of words."""
        span = self.find(mark, unit)
        if span is None or not 0 <= span[0] < span[1] <= len(self.text):
            return False
        if mark.surface is not None:
            return same_words(self.text, *span, mark.surface)
        words = self.text[slice(*span)]
        return words == words.strip() and all(_is_edge(self.text, place) for place in span)


def _is_edge(text: str, place: int) -> bool:
    """Say whether a word may begin or end at a place."""
    around = text[max(0, place - 1) : place + 1]
    return place in (0, len(text)) or not around.isalnum() or any(map(UNSPACED.match, around))


def same_words(text: str, start: int, end: int, surface: str) -> bool:
    """Say whether a text is the words of a span there; blanks, in which tools differ, do not count."""
    return 0 <= start < end <= len(text) and text[start:end].split() == surface.split()


def _name(mark: Mark) -> str:
    return f"the span {shorten_int(mark.start)}-{shorten_int(mark.end)} ({mark.label})"
