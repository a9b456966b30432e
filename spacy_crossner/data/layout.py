"""Find the columns of words, tags and numbers in a file by their content, not by their position."""

from collections import Counter
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .characters import clean_label
from .decoding import Line
from .faults import TWO_TAGS, Faults
from .notations import Notation, Reading, TagWriter, find_notation, read_counts
from .numbering import FEW, counts_sentences, counts_tokens, holds_numbers, is_constant, marks_sentences
from .table import (
    SENTENCE_NAMES,
    TAG_NAMES,
    WORD_NAMES,
    Row,
    Separator,
    Table,
    find_separators,
    read_table,
    uncut_table,
)

# The columns between word and tag in Label Studio's export, in which labels may contain blanks.
LABEL_STUDIO = ["-X-", "_"]
# Number of lines that are tried first: if they have no columns, the rest of a long text is not cut.
PROBE = 2000


@dataclass(frozen=True)
class Layout:
    """The columns of a file, counted from 0.

    separator (Separator): the separator of the columns.
    width (int): number of columns in most lines.
    word (int): column of the words.
    tag (int): column of the tags.
    reading (Reading): the notation of the tags.
    numbers (Optional[int]): column of the token numbers.
    sentences (Optional[int]): column of the sentence number or name, in the first row of a sentence or in each row.
    rival (str): description of a second column with tags of entities; empty if there is none.
    """

    separator: Separator
    width: int
    word: int
    tag: int
    reading: Reading
    numbers: Optional[int] = None
    sentences: Optional[int] = None
    rival: str = ""

    @property
    def notation(self) -> Notation:
        """The notation of the tags."""
        return self.reading.notation

    def describe(self) -> str:
        """Describe differences from the usual layout: the word first, the tag last and written `B-X`."""
        remarks = [] if self.notation is Notation.prefix else [f"tags written {self.notation}"]
        if self.separator in (Separator.comma, Separator.semicolon):
            remarks.append(f"separated by {self.separator}")
        if self.word or self.tag != self.width - 1:
            remarks.append(f"words in column {self.word + 1} and tags in column {self.tag + 1} of {self.width}")
        return ", ".join(remarks)

    def read(self, row: Row, writer: TagWriter) -> Optional[Tuple[str, str]]:
        """Return word and tag of a row, the tag as it is in the file; None if the row is ambiguous.

        A row of another width is read only if no word can be lost: the word is first and a tag is last, or the cells
        after the tag are the rest of its label or a remark.
        """
        cells, count, width = row.cells, len(row.cells), self.width
        if count == width:
            return cells[self.word], cells[self.tag]
        if count < width:
            last = count - 1 if self.word == 0 and self.tag == width - 1 else self.tag
            return (cells[self.word], cells[last]) if self.word < last < count and writer.reads(cells[last]) else None
        rest = cells[self.tag + 1 :]
        if self.word > self.tag or not writer.reads(cells[self.tag]) or any(map(writer.reads, rest)):
            return None
        if self.separator is not Separator.blank or "\t" in row.text:
            return cells[self.word], cells[self.tag]
        begins_label = writer.begins_label(cells[self.tag]) and self.tag == width - 1
        return (cells[self.word], " ".join(cells[self.tag :])) if begins_label else None


def find_layout(
    lines: Sequence[Line], faults: Faults, notation: Optional[Notation] = None
) -> Tuple[Table, Optional[Layout]]:
    """Find the columns of a file.

    lines (Sequence[Line]): the numbered lines.
    faults (Faults): names the file.
    notation (Optional[Notation]): the notation of the tags; detected by default.
    RETURNS (Tuple[Table, Optional[Layout]]): the cells and the layout; no layout if no column holds tags.
    RAISES (DataError): two columns hold tags of entities.
    """
    if len(lines) > PROBE and _try_separators(lines[:PROBE], notation)[1] is None:
        return uncut_table(lines), None
    table, layout = _try_separators(lines, notation)
    if layout and layout.rival:
        raise faults.error(TWO_TAGS, None, layout.rival)
    return table, layout


def _try_separators(lines: Sequence[Line], notation: Optional[Notation]) -> Tuple[Table, Optional[Layout]]:
    """Return cells and layout for the first separator that gives most lines a tag, or else for the likeliest one."""
    candidates: List[Tuple[Table, Optional[Layout]]] = []
    for separator in find_separators(lines):
        table = read_table(lines, separator)
        layout = _find_columns(table, notation)
        candidates.append((table, layout))
        if layout and (table.header or 2 * (layout.reading.entities + layout.reading.outside) > len(table.filled())):
            return candidates[-1]
    return candidates[0]


def _find_columns(table: Table, notation: Optional[Notation], width: Optional[int] = None) -> Optional[Layout]:
    """Return the layout of a table, from its rows of one width: by default the most frequent width."""
    rows = table.filled()
    width = width or _find_width(rows, table.header)
    if width is None:
        return None
    # Label Studio's rows with a label in two words have one more cell; their first four are as usual.
    count_cells = len if width != 4 else lambda cells: 4 if cells[1:3] == LABEL_STUDIO else len(cells)
    full_rows = [row.cells for row in rows if count_cells(row.cells) == width]
    values = [Counter(cells[column] for cells in full_rows) for column in range(width)]
    readings = [read_column(column, notation) for column in values]
    tags = _tag_columns(readings, table)
    if not tags:
        return None
    tag = tags[-1]
    has_shorter_rows = any(len(row.cells) == tag + 1 for row in rows)
    if has_shorter_rows and tag + 1 < width and table.separator is Separator.blank and not readings[tag].outside:
        # A column that only rows of entities have holds the rest of their labels.
        return _find_columns(table, notation, tag + 1)
    groups = [[row.cells for row in group if count_cells(row.cells) == width] for group in table.groups()]
    word, numbers, sentences = _word_column(tag, width, [group for group in groups if group], table.header)
    if word is None:
        return None
    rival = _describe_rival(tags, readings)
    return Layout(table.separator, width, word, tag, readings[tag], numbers, sentences, rival)


def _find_width(rows: Sequence[Row], header: Sequence[str]) -> Optional[int]:
    """Return the number of cells of the header, or that most rows have, of those with two or more."""
    if header and any(len(row.cells) == len(header) for row in rows):
        return len(header)
    if 2 * sum(row.cells[1:3] == LABEL_STUDIO and len(row.cells) > 3 for row in rows) > len(rows):
        return 4
    widths = Counter(len(row.cells) for row in rows if len(row.cells) > 1)
    return widths.most_common(1)[0][0] if widths else None


def read_column(values: Counter[str], notation: Optional[Notation]) -> Reading:
    """Return the notation of the tags of a column, and how many there are."""
    if notation is None:
        return find_notation(values)
    tags: Counter[str] = Counter()
    for value, count in values.items():
        tags[clean_label(value)] += count
    return read_counts(tags, notation)


def _tag_columns(readings: Sequence[Reading], table: Table) -> List[int]:
    """Return the columns with tags, the column of entity tags last. Chunk tags are left out if other tags exist."""
    columns = [column for column, reading in enumerate(readings) if reading.coverage >= 0.5]
    # Words may look like tags. So the first column counts only if no other holds tags and nearly all values are tags.
    may_be_words = readings[0].coverage < 0.9 or not readings[0].entities or readings[0].notation is Notation.label
    if columns[:1] == [0] and (len(columns) > 1 or may_be_words):
        columns.pop(0)
    named_columns = [
        column for column in columns if len(table.header) == len(readings) and table.header[column] in TAG_NAMES
    ]
    columns = named_columns or columns
    sure = [c for c in columns if readings[c].notation is not Notation.label and not readings[c].is_chunks]
    if any(readings[column].entities for column in sure):
        columns = [c for c in columns if readings[c].notation is not Notation.label]
    if any(readings[column].is_sure and not readings[column].is_chunks for column in columns):
        columns = [column for column in columns if not readings[column].is_chunks]
    return columns


def _describe_rival(tags: Sequence[int], readings: Sequence[Reading]) -> str:
    """Describe a column before the last that holds tags of entities, too; return "" if there is none."""
    for column in tags[:-1]:
        if readings[column].entities and readings[column].is_sure and not readings[column].is_chunks:
            labels = ", ".join(sorted(readings[column].labels)[:5])
            return f"tags in column {column + 1} ({labels}) and in column {tags[-1] + 1}"
    return ""


def _word_column(
    tag: int, width: int, groups: Sequence[Sequence[Sequence[str]]], header: Sequence[str]
) -> Tuple[Optional[int], Optional[int], Optional[int]]:
    """Return the columns of words, of token numbers and of sentence numbers."""
    numbers = sentences = None
    names = header if len(header) == width else [""] * width
    named_word = next((column for column, name in enumerate(names) if name in WORD_NAMES), None)
    for column in [column for column in range(width) if column not in (tag, named_word)]:
        values = [[cells[column] for cells in group] for group in groups]
        if names[column] in SENTENCE_NAMES or marks_sentences(values):
            sentences = column
        elif named_word is not None and column > named_word:
            continue
        elif counts_tokens(values) and (width > 2 or sum(map(len, values)) > FEW):
            numbers = column
        elif counts_sentences(values) and width > 2:
            sentences = column
        elif named_word is None and holds_numbers(values) and _has_words_behind(column, tag, width, groups):
            continue  # offsets, or a number of any kind
        elif named_word is None:
            following = [[cells[column + 1] for cells in group] for group in groups if column + 1 < width]
            if column + 1 == tag or not is_constant(values) or is_constant(following):
                return column, numbers, sentences
    return named_word, numbers, sentences


def _has_words_behind(column: int, tag: int, width: int, groups: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Return whether a later column, except the column of tags, holds different values that are not numbers."""
    for other in range(column + 1, width):
        values = [[cells[other] for cells in group] for group in groups]
        if other != tag and not holds_numbers(values) and len({value for group in values for value in group}) > 1:
            return True
    return False
