"""Character spans of a text, fitted to its tokens and checked."""

from dataclasses import dataclass
from typing import Callable, Iterable, List, Optional, Set, Tuple

from spacy.tokens import Doc

from ..tags import TagSpan
from .faults import CUTS_TOKEN, EMPTY_LABEL, OUT_OF_RANGE, OVERLAP, Faults
from .sentences import Sentence


Tokenize = Callable[[str], Doc]


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
        return cls(
            doc.text,
            line,
            [token.text for token in doc],
            [(token.idx, token.idx + len(token)) for token in doc],
            [bool(token.whitespace_) for token in doc],
        )

    def sentence(self, spans: Optional[List[TagSpan]]) -> Sentence:
        """Return the sentence with these entities."""
        return Sentence(self.words, spans, self.line, self.spaces)


def align_spans(text: Text, spans: Iterable[Tuple[object, object, object]], faults: Faults) -> List[TagSpan]:
    """Turn character spans into token spans.

    text (Text): the text.
    spans (Iterable[Tuple[object, object, object]]): start, end (exclusive) and label of each, as the file has them.
    faults (Faults): what is wrong is reported here.
    RETURNS (List[TagSpan]): the spans in order, none overlapping another.
    RAISES (DataError): a span is out of range, has no label, cuts a token or overlaps another.
    """
    fitted: List[TagSpan] = []
    for start, end, label in spans:
        if not isinstance(label, str) or not label.strip():
            faults.mend(EMPTY_LABEL, text.line, f"the label {label!r} of the span {start}-{end}")
            continue
        # A bool is an int to Python, but no offset.
        if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text.text):
            tokens = None
        else:
            tokens = _covered_tokens(text, start, end)
        if tokens is None:
            found = f"the span {start!r}-{end!r} ({label})"
            faults.mend(OUT_OF_RANGE, text.line, found, length=len(text.text))
            continue
        first, last = tokens
        edges = text.offsets[first][0], text.offsets[last][1]
        if (start, end) != edges:
            found = f"the span {start}-{end} ({label}), {text.text[start:end]!r} in {text.text[slice(*edges)]!r}"
            faults.mend(CUTS_TOKEN, text.line, found)
        fitted.append((first, last + 1, label.strip()))
    return _without_overlap(text, fitted, faults)


def _covered_tokens(text: Text, start: int, end: int) -> Optional[Tuple[int, int]]:
    """Return the first and the last token that hold a part of a span, blank tokens at its ends not counted."""
    inside = [
        i
        for i, (word, (token_start, token_end)) in enumerate(zip(text.words, text.offsets))
        if token_start < end and token_end > start and not word.isspace()
    ]
    return (inside[0], inside[-1]) if inside else None


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
