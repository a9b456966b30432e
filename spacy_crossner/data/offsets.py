"""The unit of offsets: characters, or UTF-16 units (as JavaScript counts) or bytes (as Go and Rust do).

The unit is told from all spans of a file at once. A span fits in a unit where the text there is the words that the
span records; where it records none, where it begins and ends at the edges of words. Only spans that the units place
differently tell anything: those behind an emoji, or in UTF-8 behind any letter that is not ASCII.
"""

import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from .alignment import CharSpan, shorten_int
from .faults import NO_UNIT, OFFSET_UNIT, SURFACE, Faults

CHARACTERS = "characters"
# In the other units, the code points of which each character that is above counts one more than 1.
STEPS = {"UTF-16 units": (0xFFFF,), "bytes": (0x7F, 0x7FF, 0xFFFF)}

# Letters of scripts that write no blank between words: any place between two of them may be an edge.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)

BLANKS = re.compile(r"\s+")


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
                found = f"{_name(mark)} in a text whose spans fit as {suspects[id(mark)]}, others as characters"
                item.faults.lose_span(OFFSET_UNIT, mark.line, found)
            elif mark.surface is not None and not same_words(item.text, start, end, mark.surface):
                found = f"{_name(mark)}, where the text is {item.text[max(0, start) : max(0, end)]!r:.60}"
                item.faults.lose_span(SURFACE, mark.line, f"{found} and not {mark.surface!r:.60}")
            else:
                spans[-1].append((start, end, mark.label))
    return spans


@dataclass
class _Evidence:
    """What the spans that a unit places differently than characters say of it.

    found (List[Optional[Tuple[int, int]]]): where all spans are in this unit.
    alone (List[Mark]): spans that fit in this unit, and not as characters.
    both (int): spans that fit in this unit and as characters, in two places.
    against (int): spans that fit as characters, and not in this unit.
    neither (int): spans that fit in none of the two.
    """

    found: List[Optional[Tuple[int, int]]] = field(default_factory=list)
    alone: List[Mark] = field(default_factory=list)
    both: int = 0
    against: int = 0
    neither: int = 0


def _weigh(items: Sequence[Marked], places: Sequence["_Places"], unit: str) -> _Evidence:
    """Return what the spans of a file say of a unit."""
    evidence = _Evidence()
    for item, place in zip(items, places, strict=True):
        for mark in item.marks:
            span = place.find(mark, unit)
            evidence.found.append(span)
            if span == (mark.start, mark.end):
                continue
            as_characters, fits = place.fits(mark, CHARACTERS), place.fits(mark, unit)
            if fits and not as_characters:
                evidence.alone.append(mark)
            evidence.both += fits and as_characters
            evidence.against += as_characters and not fits
            evidence.neither += not fits and not as_characters
    return evidence


def _find_unit(items: Sequence[Marked], places: Sequence["_Places"], faults: Faults) -> Tuple[str, Dict[int, str]]:
    """Return the unit of a file, and the unit of spans that may count in another one, by their identity."""
    evidence = {unit: _weigh(items, places, unit) for unit in STEPS}
    candidates = [unit for unit, found in evidence.items() if found.alone]
    if not candidates:
        for unit, found in evidence.items():
            if found.both and not found.against and not found.neither:
                faults.note(f"spans that fit as {unit}, too, and were read as characters", found.both)
        return CHARACTERS, {}
    unmixed = [unit for unit in candidates if not evidence[unit].against]
    # A span may fail to fit for another reason, such as an edge within a word.
    read = [unit for unit in unmixed if 4 * evidence[unit].neither <= len(evidence[unit].alone) + evidence[unit].both]
    if read and all(evidence[unit].found == evidence[read[0]].found for unit in read):
        return read[0], {}
    if unmixed:
        unit, mark = unmixed[0], evidence[unmixed[0]].alone[0]
        counts = [f"{len(evidence[unit].alone):,} fit as {unit} and not as characters" for unit in unmixed]
        neither = f"{evidence[unit].neither:,} in neither"
        raise faults.error(NO_UNIT, mark.line, f"{_name(mark)} and others, of which {', '.join([*counts, neither])}")
    # Where one span of a text counts in another unit, all of them may.
    suspects: Dict[int, str] = {}
    for unit in candidates:
        alone = {id(mark) for mark in evidence[unit].alone}
        for item, place in zip(items, places, strict=True):
            if any(id(mark) in alone for mark in item.marks):
                moved = (mark for mark in item.marks if place.find(mark, unit) != (mark.start, mark.end))
                suspects.update({id(mark): unit for mark in moved})
    return CHARACTERS, suspects


class _Places:
    """Where the units of a text are among its characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        # For each unit that counts a character of the text otherwise: the units before each character and in all.
        self.counts: Dict[str, NDArray[np.int64]] = {}
        points = np.frombuffer(b"" if text.isascii() else text.encode("utf-32-le"), dtype="<u4")
        for unit, steps in STEPS.items():
            if len(points) and points.max() > steps[0]:
                widths = 1 + sum((points > step).astype(np.int64) for step in steps)
                self.counts[unit] = np.concatenate([[0], np.cumsum(widths)])

    def find(self, mark: Mark, unit: str) -> Optional[Tuple[int, int]]:
        """Return a span in characters, None where an offset is within a character or beyond the text."""
        counts = self.counts.get(unit)
        if counts is None:
            return mark.start, mark.end
        edges: List[int] = []
        for offset in (mark.start, mark.end):
            if not 0 <= offset <= counts[-1]:
                return None
            edges.append(int(np.searchsorted(counts, offset)))
            if counts[edges[-1]] != offset:
                return None
        return edges[0], edges[1]

    def fits(self, mark: Mark, unit: str) -> bool:
        """Say whether a span has its words there, or begins and ends at edges of words."""
        span = self.find(mark, unit)
        if span is None or not 0 <= span[0] < span[1] <= len(self.text):
            return False
        words = self.text[slice(*span)]
        if mark.surface is not None:
            # A blank at the ends counts here: with it a word may fit in two units.
            return BLANKS.sub(" ", words) == BLANKS.sub(" ", mark.surface)
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
