"""CoNLL columns: one token a line, its word first and its tag last, a blank line between sentences.

A line that holds a tab is cut at its tabs, so that a token may hold any kind of blank; any other line at its blanks.
Only U+0020 counts as a blank: a no-break space belongs to its token.
"""

import re
from dataclasses import dataclass, field
from typing import Iterable, List, Optional

from ..tags import bio_to_spans
from .faults import COLUMNS, EMPTY_TOKEN, Fault, Faults
from .files import Line
from .schemes import Scheme, is_tag, to_bio
from .sentences import Sentence

DOCUMENT_MARKER = "-DOCSTART-"

MAX_COLUMNS = 4


@dataclass
class TaggedSentence:
    """The rows of a sentence, before its tags are read.

    words (List[str]): the first column.
    tags (List[str]): the last column.
    lines (List[int]): the number of each row's line.
    document (int): how many document marks stand before it.
    """

    words: List[str] = field(default_factory=list)
    tags: List[str] = field(default_factory=list)
    lines: List[int] = field(default_factory=list)
    document: int = 0


def split_columns(text: str) -> List[str]:
    """Cut a line into its columns; blanks around a column and at the end of the line do not count."""
    text = text.rstrip(" \t")
    return [column.strip(" ") for column in text.split("\t")] if "\t" in text else re.split(" +", text)


def has_tag(text: str) -> bool:
    """Say whether a line looks like columns of which the last is a tag."""
    columns = split_columns(text)
    return 2 <= len(columns) <= MAX_COLUMNS and is_tag(columns[-1])


def wrong_columns(text: str) -> str:
    """Say for a message what a line has in place of columns."""
    count = len(split_columns(text))
    found = "1 column" if count == 1 else f"{count} columns"
    return f"{found}, {shorten(text)}" + ("" if count == 1 or count > MAX_COLUMNS else ", of which the last is no tag")


def read_rows(lines: Iterable[Line], faults: Faults) -> List[TaggedSentence]:
    """Read the rows of a file of columns.

    Lines that begin with `-DOCSTART-` separate sentences as blank lines do. The last sentence needs no blank line.
    Where the number of columns changes within the file, the rows that differ from the first are counted in a note.

    lines (Iterable[Line]): the numbered lines.
    faults (Faults): what is wrong is reported here.
    RETURNS (List[TaggedSentence]): the sentences, each with at least one row.
    RAISES (DataError): a line has too few or too many columns, or no word.
    """
    sentences = [TaggedSentence()]
    width: Optional[int] = None
    documents = 0
    for number, text in lines:
        columns = split_columns(text)
        documents += columns[0] == DOCUMENT_MARKER
        if columns == [""] or columns[0] == DOCUMENT_MARKER:
            if sentences[-1].words:
                sentences.append(TaggedSentence())
        elif not 2 <= len(columns) <= MAX_COLUMNS:
            faults.mend(COLUMNS, number, wrong_columns(text))
        elif not columns[0]:
            faults.mend(EMPTY_TOKEN, number, f"an empty token, {shorten(text)}")
        else:
            width = width or len(columns)
            if len(columns) != width:
                faults.note(f"lines with another number of columns than the first, {width}: word first, tag last")
            sentences[-1].document = documents
            sentences[-1].words.append(columns[0])
            sentences[-1].tags.append(columns[-1])
            sentences[-1].lines.append(number)
    return [sentence for sentence in sentences if sentence.words]


def read_tags(sentence: TaggedSentence, scheme: Scheme, faults: Faults) -> Sentence:
    """Read the tags of a sentence as entities.

    sentence (TaggedSentence): the rows.
    scheme (Scheme): the scheme of the tags, not `auto`.
    faults (Faults): what is wrong is reported here.
    RETURNS (Sentence): the sentence, its blanks unknown.
    RAISES (DataError): a tag is not allowed where it stands.
    """

    def report(position: int, fault: Fault, found: str, **values: object) -> None:
        faults.mend(fault, sentence.lines[position], found, **values)

    spans = bio_to_spans(to_bio(sentence.tags, scheme, report))
    return Sentence(sentence.words, spans, sentence.lines[0], document=sentence.document)


def shorten(text: str, width: int = 60) -> str:
    """Quote a text for a message, cut to a width."""
    return repr(text if len(text) <= width else text[: width - 3] + "...")
