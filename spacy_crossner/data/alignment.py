"""Character spans of a text, fitted to its tokens and checked."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import Callable, Iterable, List, Optional, Set, Tuple

from spacy.tokens import Doc

from ..annotations.tags import TagSpan
from .characters import CLEANED, clean_label
from .faults import (
    BAD_JSON,
    BAD_RECORD,
    CUTS_TOKEN,
    DESTROYED,
    EMPTY_LABEL,
    MINOR_PART,
    NO_TEXT,
    OUT_OF_RANGE,
    OVERLAP,
    RECORDS_LOST,
    Faults,
)
from .sentences import Sentence

Tokenize = Callable[[str], Doc]

# Start, end (exclusive) and label, in characters.
CharSpan = Tuple[int, int, str]


@dataclass
class Text:
    """A text and where its tokens stand in it.

    text (str): the text.
    line (int): its line in the file.
    words (List[str]): the tokens.
    offsets (List[Tuple[int, int]]): start and end of each token, in characters.
    spaces (List[bool]): whether a blank follows each token.
    """

    text: str
    line: int
    words: List[str]
    offsets: List[Tuple[int, int]]
    spaces: List[bool]

    @classmethod
    def from_doc(cls, doc: Doc, line: int) -> "Text":
        """Take text and tokens from a doc that a tokenizer made."""
        # One array in place of a loop over Token objects, which would take longer than the tokenizer.
        rows = doc.to_array(["IDX", "LENGTH", "SPACY"]).tolist()
        text = doc.text
        offsets = [(start, start + length) for start, length, _ in rows]
        return cls(text, line, [text[a:b] for a, b in offsets], offsets, [bool(space) for _, _, space in rows])

    def sentence(self, spans: Optional[List[TagSpan]]) -> Sentence:
        """Return the sentence with these entities."""
        return Sentence(self.words, spans, self.line, self.spaces)


def align_spans(text: Text, spans: Iterable[CharSpan], faults: Faults) -> List[TagSpan]:
    """Turn character spans into token spans.

    text (Text): the text.
    spans (Iterable[CharSpan]): the spans as the file has them.
    faults (Faults): what is wrong is reported here, and what became of the spans is counted.
    RETURNS (List[TagSpan]): the spans in order, none overlapping another.
    RAISES (DataError): a span is out of range, has no label, cuts a token or overlaps another.
    """
    fitted: List[TagSpan] = []
    for start, end, raw_label in spans:
        label = clean_label(raw_label)
        if label != raw_label.strip():
            faults.note(CLEANED)
        if not label:
            place = f"{shorten_int(start)}-{shorten_int(end)}"
            faults.mend(EMPTY_LABEL, text.line, f"no label for the span {place}, {text.text[start:end]!r}")
            faults.tally.seen += 1
            continue
        tokens = _covered_tokens(text, start, end) if 0 <= start < end <= len(text.text) else []
        if not tokens:
            found = f"the span {shorten_int(start)}-{shorten_int(end)} ({label})"
            faults.lose_span(OUT_OF_RANGE, text.line, found, length=len(text.text))
            continue
        edges = text.offsets[tokens[0]][0], text.offsets[tokens[-1]][1]
        if (start, end) != edges:
            words = text.text[slice(*edges)]
            found = f"{text.text[start:end]!r} ({label}), at {start}-{end}, where the tokens are {words!r}"
            tokens = _well_covered(text, tokens, start, end)
            if not tokens:
                faults.lose_span(MINOR_PART, text.line, found)
                continue
            faults.mend(CUTS_TOKEN, text.line, found)
            # To trim blanks is safe; where most spans end within a word, the offsets may be those of another text.
            faults.tally.cut += start > text.offsets[tokens[0]][0] or end < text.offsets[tokens[-1]][1]
        faults.tally.seen += 1
        fitted.append((tokens[0], tokens[-1] + 1, label))
    kept = _without_overlap(text, fitted, faults)
    faults.tally.kept += len(kept)
    return kept


def check_repairs(faults: Faults, sentences: int) -> None:
    """Refuse repairs that destroy what a file holds.

    faults (Faults): the faults of the whole file.
    sentences (int): the sentences that were read: a record may hold several.
    RAISES (DataError): more than one span or record in ten was dropped (and more than one), more than half of the spans
        cut a token (and more than three), or no span is left.
    """
    tally = faults.tally
    dropped = sum(faults.repairs[str(fault.repair)] for fault in (BAD_JSON, BAD_RECORD, NO_TEXT))
    records = max(tally.records, sentences + dropped)
    if dropped > max(1, records // 10):
        raise faults.error(RECORDS_LOST, None, f"{dropped:,} of {records:,} records that --repair drops")
    if tally.lost > max(1, tally.seen // 10):
        raise faults.error(DESTROYED, None, f"{tally.lost:,} of {tally.seen:,} spans whose words are not certain")
    if tally.cut > max(3, tally.seen // 2):
        raise faults.error(DESTROYED, None, f"{tally.cut:,} of {tally.seen:,} spans that cut a token")
    if tally.seen and not tally.kept:
        raise faults.error(DESTROYED, None, f"{tally.seen:,} spans of which --repair leaves none")


def shorten_int(number: int) -> str:
    """Write a number for a message, one of many digits by how many it has."""
    return str(number) if abs(number) < 10**18 else f"(a number of {len(str(abs(number)))} digits)"


def _covered_tokens(text: Text, start: int, end: int) -> List[int]:
    """Return the tokens that a span covers or cuts, without those that are blank."""
    # Tokens are in order: no walk over all of them for each span.
    first = bisect_right(text.offsets, start, key=itemgetter(1))
    last = bisect_left(text.offsets, end, key=itemgetter(0))
    return [i for i in range(first, last) if not text.words[i].isspace()]


def _well_covered(text: Text, tokens: List[int], start: int, end: int) -> List[int]:
    """Return the tokens of which a span covers most, empty where that would change its words.

    A token at its ends of which it covers half or less is left out where no letter and no digit of it is covered.
    """
    while tokens:
        for place in (0, -1):
            first, last = text.offsets[tokens[place]]
            covered = text.text[max(first, start) : min(last, end)]
            if 2 * len(covered) <= last - first:
                if any(map(str.isalnum, covered)):
                    return []
                tokens = tokens[1:] if place == 0 else tokens[:-1]
                break
        else:
            return tokens
    return tokens


def _without_overlap(text: Text, spans: List[TagSpan], faults: Faults) -> List[TagSpan]:
    """Keep the longest of spans that overlap, and of equally long ones the first."""
    kept: List[TagSpan] = []
    taken: Set[int] = set()
    for start, end, label in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if taken.isdisjoint(range(start, end)):
            kept.append((start, end, label))
            taken.update(range(start, end))
        else:
            words = " ".join(text.words[start:end])
            faults.mend(OVERLAP, text.line, f"the span {words!r} ({label}) over another")
    return sorted(kept)
