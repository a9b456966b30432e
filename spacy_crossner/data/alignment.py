"""Character spans of a text, fitted to its tokens and checked."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from operator import itemgetter
from typing import Callable, Iterable, List, Optional, Set, Tuple

from spacy.tokens import Doc

from ..tags import TagSpan
from .faults import CUTS_TOKEN, EMPTY_LABEL, OUT_OF_RANGE, OVERLAP, Faults
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
    faults (Faults): what is wrong is reported here.
    RETURNS (List[TagSpan]): the spans in order, none overlapping another.
    RAISES (DataError): a span is out of range, has no label, cuts a token or overlaps another.
    """
    fitted: List[TagSpan] = []
    for start, end, label in spans:
        if not label.strip():
            faults.mend(EMPTY_LABEL, text.line, f"no label for the span {start}-{end}, {text.text[start:end]!r}")
            continue
        tokens = _covered_tokens(text, start, end) if 0 <= start < end <= len(text.text) else []
        if not tokens:
            faults.mend(OUT_OF_RANGE, text.line, f"the span {start}-{end} ({label})", length=len(text.text))
            continue
        edges = text.offsets[tokens[0]][0], text.offsets[tokens[-1]][1]
        if (start, end) != edges:
            words = text.text[slice(*edges)]
            found = f"{text.text[start:end]!r} ({label}), at {start}-{end}, where the tokens are {words!r}"
            faults.mend(CUTS_TOKEN, text.line, found)
        fitted.append((tokens[0], tokens[-1] + 1, label.strip()))
    return _without_overlap(text, fitted, faults)


def _covered_tokens(text: Text, start: int, end: int) -> List[int]:
    """Return the tokens that a span covers or cuts, without those that are blank."""
    # Tokens are in order: no walk over all of them for each span.
    first = bisect_right(text.offsets, start, key=itemgetter(1))
    last = bisect_left(text.offsets, end, key=itemgetter(0))
    return [i for i in range(first, last) if not text.words[i].isspace()]


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
