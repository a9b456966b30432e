"""CoNLL columns: one token per line, with its word and its tag in separate columns, a blank line between sentences.

The columns are identified by their content (`layout`), and so are their separators (`table`): tabs, blanks, or the
commas or semicolons of CSV. In a line with a tab a token may contain any kind of blank. In any other line a no-break
space belongs to its token, unless nothing else separates the columns.
"""

import itertools
import re
from dataclasses import dataclass, field
from typing import List, Optional, Sequence

from ..annotations.tags import OUTSIDE, bio_to_spans
from .characters import LINE_BREAKS, is_blank_line, is_unseen
from .faults import (
    COLUMNS,
    EMPTY_TOKEN,
    HEADER,
    LINE_BREAK,
    TAG_OF_RANGE,
    TAG_WITHOUT_WORD,
    Fault,
    Faults,
)
from .layout import Layout
from .notations import BARE_LABEL, Notation, TagWriter
from .numbering import RANGE
from .schemes import Scheme, is_tag, to_bio
from .sentences import Sentence
from .table import DOCUMENT_MARKER, Row, Separator, Table, split_columns

# `# text = ...` and other keys of CoNLL-U, `# id ...` of MultiCoNER, `#begin document` of OntoNotes.
KEY_COMMENT = re.compile(r"#+ *(?:[\w.:-]+ *=(?: |$)|id\b|(?:begin|end) document\b)")
# A first row with such a tag has a typing error in its tag; a first row with any other unknown tag may be a header.
SLIP = re.compile(r".(?:[-_:/|.]|$)")

# A sentence with more tokens than this is likely to be several sentences.
LONG = 250


@dataclass
class TaggedSentence:
    """The rows of a sentence, before its tags are read.

    words (List[str]): the words.
    tags (List[str]): the tags, written `B-PER` whatever their notation.
    lines (List[int]): the number of each row's line.
    document (int): number of document marks before the sentence.
    """

    words: List[str] = field(default_factory=list)
    tags: List[str] = field(default_factory=list)
    lines: List[int] = field(default_factory=list)
    document: int = 0


def ends_in_tag(text: str) -> bool:
    """Return whether the last of several columns in a line is a tag in the usual notation."""
    columns = split_columns(text)
    return len(columns) > 1 and is_tag(columns[-1])


def wrong_columns(text: str, layout: Optional[Layout]) -> str:
    """Describe, for a message, the content of a line that does not have the expected columns."""
    count = len(split_columns(text))
    found = "1 column" if count == 1 else f"{count} columns"
    if layout is None:
        return f"{found}, {shorten(text)}" + ("" if count == 1 else ", of which the last is no tag")
    if layout.separator is not Separator.blank:
        return f"{shorten(text)}, no row of {layout.width} columns separated by {layout.separator}"
    return f"{found}, {shorten(text)}, where most lines have {layout.width}"


class RowReader:
    """Reads the rows of a table.

    table (Table): the lines, cut into cells.
    layout (Layout): what its columns hold.
    faults (Faults): faults are reported here.
    """

    def __init__(self, table: Table, layout: Layout, faults: Faults) -> None:
        self.table = table
        self.layout = layout
        self.faults = faults
        self.writer = TagWriter(layout.reading)
        self.sentences = [TaggedSentence()]
        self.has_blank_lines = len(list(itertools.islice(table.groups(), 2))) > 1
        self.documents = 0
        # The number of the previous token and the mark of the sentence, if there are columns for them.
        self.number = -1
        self.mark = ""

    def read(self) -> List[TaggedSentence]:
        """Read all rows.

        RETURNS (List[TaggedSentence]): the sentences, each with at least one row.
        RAISES (DataError): a line has too few or too many columns, or no word.
        """
        for row in self.table.rows:
            if not row.cells:
                self._end_sentence()
                self.documents += DOCUMENT_MARKER.match(row.text) is not None
                if is_blank_line(row.text) and row.text.strip(" \t"):
                    self.faults.note("lines of odd blanks and zero-width characters read as blank lines")
            elif row.is_hashed and self._is_comment(row):
                # Comments precede their sentence: without blank lines they separate sentences.
                if not self.has_blank_lines:
                    self._end_sentence()
                self.faults.note("comment lines (#) left out")
            else:
                self._read_row(row)
        if self.table.header_lines:
            self.faults.note(f"header line ({', '.join(self.table.header)}) left out", self.table.header_lines)
        if self.writer.cleaned:
            cleaned = "tags cleaned of zero-width characters, of no-break and other odd blanks, or put in NFC"
            self.faults.note(cleaned, self.writer.cleaned)
        sentences = [sentence for sentence in self.sentences if sentence.words]
        self._note_doubts(sentences)
        return sentences

    def _note_doubts(self, sentences: Sequence[TaggedSentence]) -> None:
        """Note readings that the user may not have meant."""
        if self.layout.notation is Notation.bare:
            count = sum(tag != OUTSIDE for sentence in sentences for tag in sentence.tags)
            self.faults.note(f"tags without a type, read as entities of the type {BARE_LABEL}", count)
        if self.layout.notation is Notation.label and sentences:
            first = sentences[0].tags[0]
            if first != OUTSIDE and sum(sentence.tags.count(first) for sentence in sentences) == 1:
                self.faults.note(f"label that only the first line has, {first[2:]!r}: if it names a column, delete it")
        if long := sum(len(sentence.words) > LONG for sentence in sentences):
            self.faults.note(f"sentences of more than {LONG:,} tokens: are there lines between sentences?", long)

    def _end_sentence(self) -> None:
        """Begin a new sentence, unless the current one has no word yet."""
        if self.sentences[-1].words:
            self.sentences.append(TaggedSentence())
        self.number = -1

    def _is_comment(self, row: Row) -> bool:
        """Return whether a line that begins with # is a comment, not a row whose word begins with #."""
        if "\t" not in row.text and KEY_COMMENT.match(row.text):
            return True
        word_and_tag = self.layout.read(row, self.writer)
        if word_and_tag and self.writer.reads(word_and_tag[1]):
            return False
        # A row of the right width is a row with a typing error in its tag.
        stands_before = not self.sentences[-1].words
        is_row = row.text.startswith("#\t") and len(row.cells) == self.layout.width
        return KEY_COMMENT.match(row.text) is not None or (
            stands_before and re.match(r"#+[ \t]|##|#$", row.text) is not None and not is_row
        )

    def _read_row(self, row: Row) -> None:
        """Read a row."""
        layout, faults, cells = self.layout, self.faults, row.cells
        word_and_tag = layout.read(row, self.writer)
        if word_and_tag is None:
            raise faults.error(COLUMNS, row.number, wrong_columns(row.text, layout))
        # In a word a line break is kept; in another cell it may be the end of a row, and the next word would be lost.
        for cell in cells[: layout.word] + cells[layout.word + 1 :]:
            if LINE_BREAKS.search(cell.strip()):
                raise faults.error(LINE_BREAK, row.number, f"a line break of Unicode inside the cell {shorten(cell)}")
        word, tag = word_and_tag[0], self.writer(word_and_tag[1])
        if layout.numbers is not None:
            if self._is_range(row, cells[layout.numbers], tag):
                return
            self._count(cells[layout.numbers])
        if layout.sentences is not None and cells[layout.sentences] not in ("", self.mark):
            self._end_sentence()
            self.mark = cells[layout.sentences]
        if DOCUMENT_MARKER.match(word):
            self._end_sentence()
            self.documents += 1
        elif not word or is_unseen(word):
            self._report_empty(row, word, tag)
        else:
            if len(cells) != layout.width and row.cells[1:3] != ["-X-", "_"]:
                faults.note(f"lines with another number of columns than most, {layout.width}")
            if layout.separator is Separator.blank and " " not in row.text and "\t" not in row.text:
                faults.note("lines whose columns no-break or other odd blanks separate")
            self._check_first(row, tag)
            self.sentences[-1].document = self.documents
            self.sentences[-1].words.append(word)
            self.sentences[-1].tags.append(tag)
            self.sentences[-1].lines.append(row.number)

    def _report_empty(self, row: Row, word: str, tag: str) -> None:
        """Report a row without a word; a repair drops it unless it has the tag of an entity."""
        found = "a token of zero-width characters only" if word else "an empty token"
        if tag == OUTSIDE or not is_tag(tag):
            self.faults.mend(EMPTY_TOKEN, row.number, f"{found}, {shorten(row.text)}")
        else:
            raise self.faults.error(TAG_WITHOUT_WORD, row.number, f"{found} with the tag {tag!r}")

    def _check_first(self, row: Row, tag: str) -> None:
        """Report a first row that may be a header, which must not be read as a word."""
        is_first = len(self.sentences) == 1 and not self.sentences[0].words
        if is_first and not is_tag(tag) and not SLIP.match(tag):
            raise self.faults.error(HEADER, row.number, f"{shorten(row.text)} with {tag!r} in the column of the tags")

    def _is_range(self, row: Row, number: str, tag: str) -> bool:
        """Return whether a row has the number of several tokens or of none, and note it.

        RAISES (DataError): such a row has the tag of an entity.
        """
        if not RANGE.fullmatch(number):
            return False
        if tag != OUTSIDE and is_tag(tag):
            raise self.faults.error(TAG_OF_RANGE, row.number, f"the tag {tag!r} on the token {number}")
        self.faults.note("lines with the number of several tokens (1-2) or of none (3.1) left out")
        return True

    def _count(self, number: str) -> None:
        """Begin a sentence where the numbers of the tokens start again."""
        count = int(number) if number.isdecimal() and len(number) < 20 else self.number + 1
        if count <= self.number:
            self._end_sentence()
        self.number = count


def read_tags(sentence: TaggedSentence, scheme: Scheme, faults: Faults) -> Sentence:
    """Read the tags of a sentence as entities.

    sentence (TaggedSentence): the rows.
    scheme (Scheme): the scheme of the tags, not `auto`.
    faults (Faults): faults are reported here.
    RETURNS (Sentence): the sentence, its spaces unknown.
    RAISES (DataError): a tag is not allowed where it stands.
    """

    def report(position: int, fault: Fault, found: str, **values: object) -> None:
        faults.mend(fault, sentence.lines[position], found, **values)

    spans = bio_to_spans(to_bio(sentence.tags, scheme, report))
    return Sentence(sentence.words, spans, sentence.lines[0], document=sentence.document)


def shorten(text: str, width: int = 60) -> str:
    """Quote a text for a message, cut to a width."""
    return repr(text if len(text) <= width else text[: width - 3] + "...")
