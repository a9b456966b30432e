"""Which column of a file holds what: found by what stands in the columns, not by their place."""

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

# The columns between word and tag as Label Studio exports them; its labels may hold blanks.
LABEL_STUDIO = ["-X-", "_"]
# Lines that show whether a file has columns: long texts have none, and are not cut as a whole.
PROBE = 2000


@dataclass(frozen=True)
class Layout:
    """The columns of a file, counted from 0.

    separator (Separator): what separates them.
    width (int): their number in most lines.
    word (int): the words.
    tag (int): the tags.
    reading (Reading): how the tags are written.
    numbers (Optional[int]): the numbers of the tokens.
    sentences (Optional[int]): the number or name of the sentence, in its first row or in each.
    rival (str): another column that holds tags of entities, in words; empty without one.
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
        """The way to write tags."""
        return self.reading.notation

    def describe(self) -> str:
        """Say in words what is not as usual: the word first, the tag last and written `B-X`."""
        said = [] if self.notation is Notation.prefix else [f"tags written {self.notation}"]
        if self.separator in (Separator.comma, Separator.semicolon):
            said.append(f"separated by {self.separator}")
        if self.word or self.tag != self.width - 1:
            said.append(f"words in column {self.word + 1} and tags in column {self.tag + 1} of {self.width}")
        return ", ".join(said)

    def read(self, row: Row, writer: TagWriter) -> Optional[Tuple[str, str]]:
        """Return word and tag of a row, the tag as the file has it; None where the row cannot be read for sure.

        A row of another width is read where no word can be lost: the word stands first and a tag last, or the cells
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
    """Tell the columns of a file.

    lines (Sequence[Line]): the numbered lines.
    faults (Faults): names the file.
    notation (Optional[Notation]): how tags are written; by default found.
    RETURNS (Tuple[Table, Optional[Layout]]): the cells and the layout, None where no column holds tags.
    RAISES (DataError): two columns hold tags of entities.
    """
    if len(lines) > PROBE and _try_separators(lines[:PROBE], notation)[1] is None:
        return uncut_table(lines), None
    table, layout = _try_separators(lines, notation)
    if layout and layout.rival:
        raise faults.error(TWO_TAGS, None, layout.rival)
    return table, layout


def _try_separators(lines: Sequence[Line], notation: Optional[Notation]) -> Tuple[Table, Optional[Layout]]:
    """Return cells and layout by the separator that gives most lines a tag, or else by the likeliest."""
    found: List[Tuple[Table, Optional[Layout]]] = []
    for separator in find_separators(lines):
        table = read_table(lines, separator)
        layout = _find_columns(table, notation)
        found.append((table, layout))
        if layout and (table.header or 2 * (layout.reading.entities + layout.reading.outside) > len(table.filled())):
            return found[-1]
    return found[0]


def _find_columns(table: Table, notation: Optional[Notation], width: Optional[int] = None) -> Optional[Layout]:
    """Return the layout of a table, told from the rows of one width: by default that of most."""
    rows = table.filled()
    width = width or _find_width(rows, table.header)
    if width is None:
        return None
    # The first cells of Label Studio's rows with a label in two words are those of the others.
    is_whole = len if width != 4 else lambda cells: 4 if cells[1:3] == LABEL_STUDIO else len(cells)
    whole = [row.cells for row in rows if is_whole(row.cells) == width]
    values = [Counter(cells[column] for cells in whole) for column in range(width)]
    readings = [read_column(column, notation) for column in values]
    tags = _tag_columns(readings, table)
    if not tags:
        return None
    tag = tags[-1]
    shorter = any(len(row.cells) == tag + 1 for row in rows)
    if shorter and tag + 1 < width and table.separator is Separator.blank and not readings[tag].outside:
        # What stands behind the tags of entities alone is the rest of their labels.
        return _find_columns(table, notation, tag + 1)
    groups = [[row.cells for row in group if is_whole(row.cells) == width] for group in table.groups()]
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
    """Say how the tags of a column are written, and how many there are."""
    if notation is None:
        return find_notation(values)
    tags: Counter[str] = Counter()
    for value, count in values.items():
        tags[clean_label(value)] += count
    return read_counts(tags, notation)


def _tag_columns(readings: Sequence[Reading], table: Table) -> List[int]:
    """Return the columns that hold tags, without those of chunks beside others: those of entities are in the last."""
    found = [column for column, reading in enumerate(readings) if reading.share >= 0.5]
    # Words may look like tags, so the first column holds the tags where no other does, and nearly all are sure.
    words_may = readings[0].share < 0.9 or not readings[0].entities or readings[0].notation is Notation.label
    if found[:1] == [0] and (len(found) > 1 or words_may):
        found.pop(0)
    named = [column for column in found if len(table.header) == len(readings) and table.header[column] in TAG_NAMES]
    found = named or found
    sure = [c for c in found if readings[c].notation is not Notation.label and not readings[c].is_chunks]
    if any(readings[column].entities for column in sure):
        found = [c for c in found if readings[c].notation is not Notation.label]
    if any(readings[column].is_sure and not readings[column].is_chunks for column in found):
        found = [column for column in found if not readings[column].is_chunks]
    return found


def _describe_rival(tags: Sequence[int], readings: Sequence[Reading]) -> str:
    """Name a column before the last that holds tags of entities, too; return "" without one."""
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
    named = next((column for column, name in enumerate(names) if name in WORD_NAMES), None)
    for column in [column for column in range(width) if column not in (tag, named)]:
        values = [[cells[column] for cells in group] for group in groups]
        if names[column] in SENTENCE_NAMES or marks_sentences(values):
            sentences = column
        elif named is not None and column > named:
            continue
        elif counts_tokens(values) and (width > 2 or sum(map(len, values)) > FEW):
            numbers = column
        elif counts_sentences(values) and width > 2:
            sentences = column
        elif named is None and holds_numbers(values) and _has_words_behind(column, tag, width, groups):
            continue  # offsets, or a number of any kind
        elif named is None:
            following = [[cells[column + 1] for cells in group] for group in groups if column + 1 < width]
            if column + 1 == tag or not is_constant(values) or is_constant(following):
                return column, numbers, sentences
    return named, numbers, sentences


def _has_words_behind(column: int, tag: int, width: int, groups: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Say whether a later column, not that of the tags, holds different values that are no numbers."""
    for other in range(column + 1, width):
        values = [[cells[other] for cells in group] for group in groups]
        if other != tag and not holds_numbers(values) and len({value for group in values for value in group}) > 1:
            return True
    return False
