"""Which column of a file holds what: found by what stands in the columns, not by their place."""

import itertools
import re
from collections import Counter
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .characters import clean_label
from .decoding import Line
from .faults import TWO_TAGS, Faults
from .notations import Notation, Reading, TagWriter, find_notation, read_counts
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

# A token's number; CoNLL-U has ranges for words that stand for several (1-2), and empty nodes (3.1).
NUMBER = re.compile(r"\d+")
RANGE = re.compile(r"\d+[-.]\d+")
# How some CSV files begin a sentence.
SENTENCE_MARK = re.compile(r"sentence\W*\d+", re.IGNORECASE)
# The columns between word and tag as Label Studio exports them; its labels may hold blanks.
LABEL_STUDIO = ["-X-", "_"]
# Rows that may hold any numbers as words: more are no accident.
FEW = 10
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
    rival (str): another column that may hold the tags, in words; empty without one.
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
        if layout and 2 * (layout.reading.entities + layout.reading.outside) > len(table.filled()):
            return found[-1]
    return found[0]


def _find_columns(table: Table, notation: Optional[Notation]) -> Optional[Layout]:
    """Return the layout of a table."""
    rows = table.filled()
    width = _find_width(rows)
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
    groups = [[row.cells for row in group if is_whole(row.cells) == width] for group in table.groups()]
    word, numbers, sentences = _word_column(tag, width, [group for group in groups if group], table.header)
    if word is None:
        return None
    rival = _describe_rival(tags, readings)
    return Layout(table.separator, width, word, tag, readings[tag], numbers, sentences, rival)


def _find_width(rows: Sequence[Row]) -> Optional[int]:
    """Return the number of cells that most rows have, of those with two or more."""
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
    """Return the columns that hold tags: those of entities are in the last, as those of chunks stand before it."""
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
    return found


def _describe_rival(tags: Sequence[int], readings: Sequence[Reading]) -> str:
    """Name a column that holds more tags of entities than the last does; return "" without one."""
    for column in tags[:-1]:
        if readings[column].entities > readings[tags[-1]].entities and not readings[column].is_chunks:
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
        if names[column] in SENTENCE_NAMES or _marks_sentences(values):
            sentences = column
        elif named is not None and column > named:
            continue
        elif _counts_tokens(values) and (width > 2 or sum(map(len, values)) > FEW):
            numbers = column
        elif _counts_sentences(values) and width > 2:
            sentences = column
        elif named is None:
            following = [[cells[column + 1] for cells in group] for group in groups if column + 1 < width]
            if column + 1 == tag or not _is_constant(values) or _is_constant(following):
                return column, numbers, sentences
    return named, numbers, sentences


def _counts_tokens(values: Sequence[Sequence[str]]) -> bool:
    """Say whether a column counts tokens: by one, in each sentence from 0 or 1 or through the file."""
    numbered = [[int(v) for v in group if not RANGE.fullmatch(v)] for group in values if _all_numbers(group)]
    if len(numbered) < len(values) or sum(map(len, numbered)) < 2:
        return False
    pairs = [pair for group in numbered for pair in itertools.pairwise(group)]
    # Sentences may begin anew without a blank line between them.
    counted = sum(after == before + 1 or (after < before and after in (0, 1)) for before, after in pairs)
    rising = counted + sum(after > before + 1 for before, after in pairs)
    # With slips among them: numbers left out, or any in a long file.
    counting = 10 * counted >= 8 * len(pairs) or (2 * counted >= len(pairs) and rising == len(pairs))
    starts = [group[0] for group in numbered if group]
    whole = [number for group in numbered for number in group]
    runs = all(after == before + 1 for before, after in itertools.pairwise(whole))
    restarts = counting and 2 * sum(start in (0, 1) for start in starts) > len(starts)
    return restarts or (runs and (whole[0] < 2 or len(whole) > FEW))


def _all_numbers(group: Sequence[str]) -> bool:
    """Say whether all values are numbers or ranges of them that Python can read."""
    return all(len(v) < 20 and v.isascii() and (NUMBER.fullmatch(v) or RANGE.fullmatch(v)) for v in group)


def _counts_sentences(values: Sequence[Sequence[str]]) -> bool:
    """Say whether a column repeats the number of a sentence in each of its rows."""
    if not all(_all_numbers(group) and not any(map(RANGE.fullmatch, group)) for group in values):
        return False
    whole = [int(value) for group in values for value in group]
    return len(whole) > 2 and whole == sorted(whole) and len(set(whole)) < len(whole)


def _marks_sentences(values: Sequence[Sequence[str]]) -> bool:
    """Say whether a column holds `Sentence: 1` in the first row of a sentence or in each."""
    whole = [value for group in values for value in group if value]
    return bool(whole) and all(map(SENTENCE_MARK.fullmatch, whole))


def _is_constant(values: Sequence[Sequence[str]]) -> bool:
    """Say whether a column has one value in each sentence, as the name of a document does; three rows show it."""
    return max(map(len, values), default=0) > 2 and all(len(set(group)) == 1 for group in values)
