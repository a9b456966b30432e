"""Cut lines into cells: columns separated by tabs, by blanks, or by commas or semicolons with quotes (CSV)."""

import csv
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Iterator, List, Optional, Sequence

from .characters import LINE_BREAKS, ODD_BLANK, is_blank_line
from .decoding import Line

DOCUMENT_MARKER = re.compile(r"[\ufeff]?\"?-+DOCSTART-+(?![\w-])", re.IGNORECASE)


class Separator(StrEnum):
    """The separator of the cells of a line."""

    blank = "tabs or blanks"
    quoted_tab = "tabs, with quotes"
    comma = "commas"
    semicolon = "semicolons"


DELIMITERS = {Separator.quoted_tab: "\t", Separator.comma: ",", Separator.semicolon: ";"}

_ODD_BLANKS = re.compile(f"[{ODD_BLANK}]+")
# A quotation mark as a cell, in CSV and in plain columns.
_QUOTED_QUOTE = re.compile(r'(?:^|\t)""""(?:\t|$)')
_PLAIN_QUOTE = re.compile(r'(?:^|\t)"(?:\t|$)')

# Names in a header line, in lower case.
WORD_NAMES = {"word", "words", "token", "tokens", "text", "form", "surface"}
TAG_NAMES = {"tag", "label", "ner", "ner_tag", "ne", "ne_tag", "entity", "bio", "bio_tag", "iob", "iob2", "iob_tag"}
TAG_NAMES |= {"tags", "labels", "ner_tags", "entities"}
SENTENCE_NAMES = {
    "sentence #",
    "sentence",
    "sentence_id",
    "sentence id",
    "sentence_idx",
    "sentence_no",
    "sent_id",
    "sent",
}
OTHER_NAMES = {
    "",
    "unnamed: 0",
    "id",
    "index",
    "idx",
    "#",
    "no",
    "i",
    "token_id",
    "word_id",
    "doc",
    "doc_id",
    "document",
}
OTHER_NAMES |= {"document_id", "pos", "pos_tag", "upos", "xpos", "lemma", "chunk", "chunk_tag", "start", "end", "shape"}
OTHER_NAMES |= {"feats", "head", "deprel", "deps", "misc", "annotator"}


@dataclass(slots=True)
class Row:
    """A line.

    number (int): its number, counted from 1.
    text (str): the line.
    cells (List[str]): its cells; empty for a line between sentences.
    """

    number: int
    text: str
    cells: List[str]

    @property
    def is_hashed(self) -> bool:
        """Whether it begins with #, like a comment."""
        return self.text.startswith("#")


@dataclass
class Table:
    """The lines of a file, cut by one separator.

    separator (Separator): the separator.
    rows (List[Row]): the lines, without the header.
    header (List[str]): the names of the columns in lower case; empty without a header line.
    header_lines (int): how often the header line occurs in the file.
    """

    separator: Separator
    rows: List[Row] = field(default_factory=list)
    header: List[str] = field(default_factory=list)
    header_lines: int = 0

    def filled(self) -> List[Row]:
        """Return the rows with cells that do not begin with #; if all begin with #, all rows with cells."""
        filled = [row for row in self.rows if row.cells]
        return [row for row in filled if not row.is_hashed] or filled

    def groups(self) -> Iterator[List[Row]]:
        """Yield the rows between two lines without cells."""
        group: List[Row] = []
        for row in self.rows:
            if row.cells and not row.is_hashed:
                group.append(row)
            elif group and not row.cells:
                yield group
                group = []
        if group:
            yield group


def is_boundary(text: str) -> bool:
    """Return whether a line separates sentences: it is blank, or marks a document (`-DOCSTART-`)."""
    if text[:1].isalnum():  # most lines
        return False
    return is_blank_line(text) or DOCUMENT_MARKER.match(text) is not None


def split_columns(text: str) -> List[str]:
    """Cut a line at tabs; without tabs at spaces; without either at no-break and other odd blanks.

    Blanks around a column and at the end of the line are removed.
    """
    text = text.rstrip(" \t")
    if "\t" in text:
        return [column.strip(" ") for column in text.split("\t")]
    if " " in text:
        return re.split(" +", text)
    return _ODD_BLANKS.split(text)


def split_quoted(text: str, delimiter: str) -> Optional[List[str]]:
    """Cut a line of CSV; None if its quotes do not match."""
    try:
        return [cell.strip(" ") for cell in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except (csv.Error, StopIteration):
        return None


def split_at_breaks(lines: Sequence[Line]) -> List[Line]:
    """Cut lines at Unicode's other line ends if all parts are rows, with the same number of columns.

    A line end inside a token is kept, because then a part has no tag.

    RETURNS (List[Line]): the lines; parts keep the number of their line.
    """
    cut_lines: List[Line] = []
    for number, text in lines:
        parts = text.splitlines() if LINE_BREAKS.search(text) else [text]
        filled = [part for part in parts if not is_blank_line(part)]
        separator = next((mark for mark in "\t ,;" if mark in text), "\t")
        widths = {len(list(filter(None, part.split(separator)))) for part in filled}
        are_rows = len(filled) > 1 and len(widths) == 1 and min(widths) > 1
        cut_lines += [(number, part) for part in parts] if are_rows else [(number, text)]
    return cut_lines


def find_separators(lines: Sequence[Line]) -> Iterator[Separator]:
    """Yield the possible separators of the lines, the likeliest first."""
    texts = [text for _, text in lines if not is_boundary(text)]
    quoted = any(map(_QUOTED_QUOTE.search, texts)) and not any(map(_PLAIN_QUOTE.search, texts))
    yield Separator.quoted_tab if quoted else Separator.blank
    if not quoted and 2 * sum(text.startswith('"') and "\t" in text for text in texts) >= len(texts):
        yield Separator.quoted_tab
    for separator in (Separator.comma, Separator.semicolon):
        if 2 * sum(DELIMITERS[separator] in text for text in texts) >= len(texts):
            yield separator


def read_table(lines: Sequence[Line], separator: Separator) -> Table:
    """Cut lines into cells.

    A line with quotes that do not match is one cell. A line of CSV with only empty cells separates sentences.
    """
    table = Table(separator)
    for number, text in lines:
        if is_boundary(text):
            cells: List[str] = []
        elif separator is Separator.blank:
            cells = split_columns(text)
        else:
            quoted_cells = split_quoted(text, DELIMITERS[separator])
            cells = [text] if quoted_cells is None else quoted_cells if any(quoted_cells) else []
        table.rows.append(Row(number, text, cells))
    first = next((row for row in table.rows if row.cells and not row.is_hashed), None)
    if first is not None and is_header(first.cells):
        table.header = [cell.lower() for cell in first.cells]
        rows = [row for row in table.rows if row.cells != first.cells]
        table.header_lines = len(table.rows) - len(rows)
        table.rows = rows
    return table


def uncut_table(lines: Sequence[Line]) -> Table:
    """Return a table of lines without columns, each line as one cell."""
    rows = [Row(number, text, [] if is_boundary(text) else [text]) for number, text in lines]
    return Table(Separator.blank, rows)


def is_header(cells: Sequence[str]) -> bool:
    """Return whether all cells are names of columns, and names of a word column and a tag column are among them."""
    names = {cell.lower() for cell in cells}
    known = WORD_NAMES | TAG_NAMES | SENTENCE_NAMES | OTHER_NAMES
    return names <= known and not names.isdisjoint(WORD_NAMES) and not names.isdisjoint(TAG_NAMES)
