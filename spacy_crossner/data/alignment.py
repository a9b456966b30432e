"""Character spans of a text, aligned with its tokens and checked."""

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
class TokenizedText:
    """A text, its tokens and their offsets.

    text (str): the text.
    line (int): its line in the file.
    words (List[str]): the tokens.
    offsets (List[Tuple[int, int]]): start and end of each token, in characters.
    spaces (List[bool]): whether a space follows each token.
    """

    text: str
    line: int
    words: List[str]
    offsets: List[Tuple[int, int]]
    spaces: List[bool]

    @classmethod
    def from_doc(cls, doc: Doc, line: int) -> "TokenizedText":
        """Take text and tokens from a tokenizer's doc."""
        # One array: a loop over Token objects would take longer than the tokenizer.
        rows = doc.to_array(["IDX", "LENGTH", "SPACY"]).tolist()
        text = doc.text
        offsets = [(start, start + length) for start, length, _ in rows]
        return cls(text, line, [text[a:b] for a, b in offsets], offsets, [bool(space) for _, _, space in rows])

    def sentence(self, spans: Optional[List[TagSpan]]) -> Sentence:
        """Return the sentence with these entities."""
        return Sentence(self.words, spans, self.line, self.spaces)


def align_spans(text: TokenizedText, spans: Iterable[CharSpan], faults: Faults) -> List[TagSpan]:
    """Turn character spans into token spans.

    text (Text): the text.
    spans (Iterable[CharSpan]): the spans as they are in the file.
    faults (Faults): faults are reported here, and kept and lost spans are counted.
    RETURNS (List[TagSpan]): the spans in order, without overlap.
    RAISES (DataError): a span is out of range, has no label, cuts a token or overlaps another.
    """
    token_spans: List[TagSpan] = []
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
            faults.drop_span(OUT_OF_RANGE, text.line, found, length=len(text.text))
            continue
        token_edges = text.offsets[tokens[0]][0], text.offsets[tokens[-1]][1]
        if (start, end) != token_edges:
            words = text.text[slice(*token_edges)]
            found = f"{text.text[start:end]!r} ({label}), at {start}-{end}, where the tokens are {words!r}"
            tokens = _well_covered(text, tokens, start, end)
            if not tokens:
                faults.drop_span(MINOR_PART, text.line, found)
                continue
            faults.mend(CUTS_TOKEN, text.line, found)
            # Trimming blanks is safe. If most spans end within a word, the offsets may belong to another text.
            faults.tally.cut += start > text.offsets[tokens[0]][0] or end < text.offsets[tokens[-1]][1]
        faults.tally.seen += 1
        token_spans.append((tokens[0], tokens[-1] + 1, label))
    kept = _without_overlap(text, token_spans, faults)
    faults.tally.kept += len(kept)
    return kept


def check_repairs(faults: Faults, sentences: int) -> None:
    """Check that repairs have not destroyed the annotation of a file.

    faults (Faults): the faults of the whole file.
    sentences (int): number of sentences that were read; a record may hold several.
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
        raise faults.error(DESTROYED, None, f"{tally.seen:,} spans, all of which --repair drops")


def shorten_int(number: int) -> str:
    """Write a number for a message; a number of many digits is replaced by the count of its digits."""
    return str(number) if abs(number) < 10**18 else f"(a number of {len(str(abs(number)))} digits)"


def _covered_tokens(text: TokenizedText, start: int, end: int) -> List[int]:
    """Return the tokens that a span covers or cuts, without blank tokens."""
    # Tokens are in order, so a binary search finds the first and the last one.
    first = bisect_right(text.offsets, start, key=itemgetter(1))
    last = bisect_left(text.offsets, end, key=itemgetter(0))
    return [i for i in range(first, last) if not text.words[i].isspace()]


def _well_covered(text: TokenizedText, tokens: List[int], start: int, end: int) -> List[int]:
    """Return the tokens that a span covers for the most part; an empty list where that would change the span's words.

    A token at either end of the span, covered by half or less, is left out if no letter or digit of it is covered.
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


def _without_overlap(text: TokenizedText, spans: List[TagSpan], faults: Faults) -> List[TagSpan]:
    """Keep the longest of overlapping spans, and the first of equally long ones."""
    kept: List[TagSpan] = []
    covered_tokens: Set[int] = set()
    for start, end, label in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if covered_tokens.isdisjoint(range(start, end)):
            kept.append((start, end, label))
            covered_tokens.update(range(start, end))
        else:
            words = " ".join(text.words[start:end])
            faults.mend(OVERLAP, text.line, f"the span {words!r} ({label}) over another")
    return sorted(kept)
