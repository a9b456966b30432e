r"""Inline markup: one sentence per line, each entity written `[words](label)`.

A bracket in plain text is written `\[` or `\]`, and a backslash before a bracket or a backslash is written `\\`. Any
other backslash is plain text. Entities do not nest.
"""

import re
from typing import Iterable, Iterator, List, Tuple

from .alignment import CharSpan, Tokenize, TokenizedText, align_spans
from .characters import CLEANED, clean_label
from .faults import BRACKET, BROKEN_ENTITY, Faults
from .files import Line
from .sentences import Sentence

ESCAPED = re.compile(r"\\([\[\]\\])")
# An entity's words hold no bare bracket, and its label no bracket of any kind.
ENTITY = re.compile(r"\[((?:[^\[\]\\]|\\[\[\]\\]|\\(?![\[\]\\]))*)\]\(([^()\[\]]*)\)")
# What the scanner stops at: an escape, or a bracket.
STOP = re.compile(r"\\[\[\]\\]|[\[\]]")

BLANKS = " \t"


def parse_markup(line: Line, faults: Faults) -> Tuple[str, List[CharSpan]]:
    """Remove the markup from a line.

    line (Line): the numbered line; blanks at its ends are ignored.
    faults (Faults): faults are reported here.
    RETURNS (Tuple[str, List[CharSpan]]): the plain text, and start, end and label of each entity in it.
    RAISES (DataError): a bracket is neither escaped nor part of an entity.
    """
    number, source = line[0], line[1].rstrip(BLANKS)
    pieces: List[str] = []
    spans: List[CharSpan] = []
    length = 0
    position = len(source) - len(source.lstrip(BLANKS))

    def append(piece: str) -> None:
        nonlocal length
        pieces.append(piece)
        length += len(piece)

    for stop in STOP.finditer(source):
        if stop.start() < position:  # inside an entity already taken
            continue
        append(source[position : stop.start()])
        position = stop.end()
        entity = ENTITY.match(source, stop.start())
        if stop[0] not in "[]":
            append(stop[0][1])
        elif entity:
            words = ESCAPED.sub(r"\1", entity[1])
            label = clean_label(entity[2])
            if label != entity[2].strip(BLANKS):
                faults.note(CLEANED)
            spans.append((length, length + len(words), label))
            append(words)
            position = entity.end()
        else:
            fault = BROKEN_ENTITY if _is_broken_entity(source, stop.start()) else BRACKET
            faults.mend(fault, number, _diagnose(source, stop.start()))
            append(stop[0])
    append(source[position:])
    return "".join(pieces), spans


def _is_broken_entity(source: str, position: int) -> bool:
    """Return whether a bracket is part of a broken entity: read as plain text, its label would become words."""
    bracket = STOP.search(source, position + 1) if source[position] == "[" else STOP.match(source, position)
    while bracket and bracket[0] not in "[]":
        bracket = STOP.search(source, bracket.end())
    return bracket is not None and bracket[0] == "]" and source[bracket.end() : bracket.end() + 1] == "("


def _diagnose(source: str, position: int) -> str:
    """Describe what is wrong with the bracket at a position."""
    where = f"at column {position + 1}"
    if source[position] == "]":
        return f"a ']' {where} that no '[' opens"
    close = next((stop for stop in STOP.finditer(source, position + 1) if stop[0] in "[]"), None)
    if close is None:
        return f"a '[' {where} that no ']' closes"
    if close[0] == "[":
        return f"a '[' {where} with another '[' before its ']'"
    if source[close.end() : close.end() + 1] != "(":
        return f"{source[position : close.end()]!r} {where} with no '(label)' after it"
    return f"a label {source[close.end() :][:20]!r} that no ')' closes, or with a bracket in it, for the '[' {where}"


def read_markup(lines: Iterable[Line], tokenize: Tokenize, faults: Faults) -> Iterator[Sentence]:
    """Read a file with inline markup.

    lines (Iterable[Line]): the numbered lines; blank ones are skipped.
    tokenize (Tokenize): the tokenizer.
    faults (Faults): faults are reported here.
    YIELDS (Sentence): the sentences, with spaces.
    RAISES (DataError): a bracket is out of place, a label is empty, or an entity cuts a token.
    """
    for number, line in lines:
        plain, spans = parse_markup((number, line), faults)
        if plain.strip():
            text = TokenizedText.from_doc(tokenize(plain), number)
            yield text.sentence(align_spans(text, spans, faults))
