"""The unit of offsets: characters, or UTF-16 units (as JavaScript counts) or bytes (as Go and Rust do).

The unit is detected from all spans of a file together. A span fits in a unit if the text at its offsets equals the
words that the span records; a span without recorded words fits if it begins and ends at word boundaries. Only spans
whose position differs between the units are evidence: those after an emoji, or for bytes after any non-ASCII letter.
"""

import re
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from .alignment import CharSpan, shorten_int
from .faults import NO_UNIT, OFFSET_UNIT, SURFACE, Faults

CHARACTERS = "characters"
# For each other unit: thresholds of code points. A character counts 1, plus 1 for each threshold that it exceeds.
STEPS = {"UTF-16 units": (0xFFFF,), "bytes": (0x7F, 0x7FF, 0xFFFF)}

# Letters of scripts without spaces between words: there may be a word boundary between any two of them.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]"
)

BLANKS = re.compile(r"\s+")


@dataclass
class Mark:
    """A span as it is in a file.

    start (int): its first character, or unit.
    end (int): its end, exclusive.
    label (str): its label, empty for none.
    line (int): its line in the file.
    surface (Optional[str]): its words, if the file records them.
    """

    start: int
    end: int
    label: str
    line: int
    surface: Optional[str] = None


@dataclass
class MarkedText:
    """A text and its spans in a file.

    text (str): the text.
    marks (Sequence[Mark]): the spans.
    faults (Faults): where faults of the marks are reported.
    """

    text: str
    marks: Sequence[Mark]
    faults: Faults


def resolve_offsets(items: Sequence[MarkedText], faults: Faults) -> List[List[CharSpan]]:
    """Return the spans of the texts of a file in characters.

    The unit is characters if all spans fit as characters. It is another unit if, among the spans whose position differs
    between the two units, none fits as characters and nearly all fit in the other unit.

    items (Sequence[Marked]): all texts of the file.
    faults (Faults): notes another unit than characters.
    RETURNS (List[List[CharSpan]]): the spans of each text.
    RAISES (DataError): the unit cannot be detected, some spans fit only as characters and others only in another unit,
        or the words of a span are not at its offsets.
    """
    unit_offsets = [_UnitOffsets(item.text) for item in items]
    unit, suspects = _find_unit(items, unit_offsets, faults)
    if unit != CHARACTERS:
        faults.note(f"spans whose offsets count {unit}, read so", sum(len(item.marks) for item in items))
    spans: List[List[CharSpan]] = []
    for item, offsets_of_text in zip(items, unit_offsets, strict=True):
        spans.append([])
        for mark in item.marks:
            start, end = offsets_of_text.find(mark, unit) or (mark.start, mark.end)
            if id(mark) in suspects:
                found = (
                    f"{_describe_mark(mark)} in a text whose spans fit as {suspects[id(mark)]}, others as characters"
                )
                item.faults.drop_span(OFFSET_UNIT, mark.line, found)
            elif mark.surface is not None and not same_words(item.text, start, end, mark.surface):
                found = f"{_describe_mark(mark)}, where the text is {item.text[max(0, start) : max(0, end)]!r:.60}"
                item.faults.drop_span(SURFACE, mark.line, f"{found} and not {mark.surface!r:.60}")
            else:
                spans[-1].append((start, end, mark.label))
    return spans


@dataclass
class _Evidence:
    """Evidence for a unit, from the spans whose position differs between this unit and characters.

    spans (List[Optional[Tuple[int, int]]]): the positions of all spans in this unit, in characters.
    unit_only (List[Mark]): spans that fit in this unit, and not as characters.
    both (int): spans that fit in this unit and as characters, at two positions.
    characters_only (int): spans that fit as characters, and not in this unit.
    neither (int): spans that fit in neither unit.
    """

    spans: List[Optional[Tuple[int, int]]] = field(default_factory=list)
    unit_only: List[Mark] = field(default_factory=list)
    both: int = 0
    characters_only: int = 0
    neither: int = 0


def _weigh(items: Sequence[MarkedText], unit_offsets: Sequence["_UnitOffsets"], unit: str) -> _Evidence:
    """Return the evidence of the spans of a file for a unit."""
    evidence = _Evidence()
    for item, offsets_of_text in zip(items, unit_offsets, strict=True):
        for mark in item.marks:
            span = offsets_of_text.find(mark, unit)
            evidence.spans.append(span)
            if span == (mark.start, mark.end):
                continue
            as_characters, fits = offsets_of_text.fits(mark, CHARACTERS), offsets_of_text.fits(mark, unit)
            if fits and not as_characters:
                evidence.unit_only.append(mark)
            evidence.both += fits and as_characters
            evidence.characters_only += as_characters and not fits
            evidence.neither += not fits and not as_characters
    return evidence


def _find_unit(
    items: Sequence[MarkedText], unit_offsets: Sequence["_UnitOffsets"], faults: Faults
) -> Tuple[str, Dict[int, str]]:
    """Return the unit of a file, and the possible other unit of suspicious spans by the spans' identity."""
    evidence = {unit: _weigh(items, unit_offsets, unit) for unit in STEPS}
    candidates = [unit for unit, counted in evidence.items() if counted.unit_only]
    if not candidates:
        for unit, counted in evidence.items():
            if counted.both and not counted.characters_only and not counted.neither:
                faults.note(f"spans that fit as {unit}, too, and were read as characters", counted.both)
        return CHARACTERS, {}
    unmixed = [unit for unit in candidates if not evidence[unit].characters_only]
    # A span may fit in neither unit for another reason, such as an end within a word.
    readable = [
        unit for unit in unmixed if 4 * evidence[unit].neither <= len(evidence[unit].unit_only) + evidence[unit].both
    ]
    if readable and all(evidence[unit].spans == evidence[readable[0]].spans for unit in readable):
        return readable[0], {}
    if unmixed:
        unit, mark = unmixed[0], evidence[unmixed[0]].unit_only[0]
        counts = [f"{len(evidence[unit].unit_only):,} fit as {unit} and not as characters" for unit in unmixed]
        neither = f"{evidence[unit].neither:,} in neither"
        raise faults.error(
            NO_UNIT, mark.line, f"{_describe_mark(mark)} and others, of which {', '.join([*counts, neither])}"
        )
    # If one span of a text counts in another unit, all spans of this text may.
    suspects: Dict[int, str] = {}
    for unit in candidates:
        marks_alone = {id(mark) for mark in evidence[unit].unit_only}
        for item, offsets_of_text in zip(items, unit_offsets, strict=True):
            if any(id(mark) in marks_alone for mark in item.marks):
                moved = (mark for mark in item.marks if offsets_of_text.find(mark, unit) != (mark.start, mark.end))
                suspects.update({id(mark): unit for mark in moved})
    return CHARACTERS, suspects


class _UnitOffsets:
    """Maps offsets of a text from each unit to characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        # For each unit that differs from characters in this text: the number of units before each character, and the
        # total.
        self.counts: Dict[str, NDArray[np.int64]] = {}
        points = np.frombuffer(b"" if text.isascii() else text.encode("utf-32-le"), dtype="<u4")
        for unit, steps in STEPS.items():
            if len(points) and points.max() > steps[0]:
                widths = 1 + sum((points > step).astype(np.int64) for step in steps)
                self.counts[unit] = np.concatenate([[0], np.cumsum(widths)])

    def find(self, mark: Mark, unit: str) -> Optional[Tuple[int, int]]:
        """Return a span in characters; None if an offset is within a character or beyond the text."""
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
        """Return whether the text at a span equals its words, or whether it begins and ends at word boundaries."""
        span = self.find(mark, unit)
        if span is None or not 0 <= span[0] < span[1] <= len(self.text):
            return False
        words = self.text[slice(*span)]
        if mark.surface is not None:
            # Blanks at the ends are not stripped here: otherwise a word could fit in two units.
            return BLANKS.sub(" ", words) == BLANKS.sub(" ", mark.surface)
        return words == words.strip() and all(_is_edge(self.text, position) for position in span)


def _is_edge(text: str, position: int) -> bool:
    """Return whether a word may begin or end at a position."""
    neighbours = text[max(0, position - 1) : position + 1]
    return position in (0, len(text)) or not neighbours.isalnum() or any(map(UNSPACED.match, neighbours))


def same_words(text: str, start: int, end: int, surface: str) -> bool:
    """Return whether the text at a span equals its words; blanks are ignored, because tools differ in them."""
    return 0 <= start < end <= len(text) and text[start:end].split() == surface.split()


def _describe_mark(mark: Mark) -> str:
    return f"the span {shorten_int(mark.start)}-{shorten_int(mark.end)} ({mark.label})"
