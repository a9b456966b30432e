"""Text files in any of the formats, read as sentences."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence

from .alignment import Text, Tokenize, check_repairs
from .brat import TEXT_SUFFIX, is_brat, read_brat
from .characters import is_blank_line
from .column_files import ColumnFile, check_outside, check_tags, choose_scheme, read_files, share_notation
from .columns import TaggedSentence, ends_in_tag, read_tags, wrong_columns
from .faults import COLUMNS, EMPTY_FILE, EMPTY_LABEL, NO_PREFIXES, NOTHING_LEFT, UNKNOWN_TAG, Faults
from .files import Line, read_lines
from .json_forms.items import Context, Item, TagItem
from .jsonl import read_items, read_sentences
from .markup import read_markup
from .notations import Notation, TagWriter, find_notation, read_counts
from .schemes import Scheme
from .sentences import Sentence

# Repairs that take an entity away. They may not take the last.
DESTROYING = {UNKNOWN_TAG.repair, EMPTY_LABEL.repair}

# The share of lines with an entity that makes a text one with markup, where it may be plain text.
LEAST_MARKUP = 0.05


class Format(StrEnum):
    """A file format; `auto` has it told from the file."""

    auto = "auto"
    conll = "conll"
    jsonl = "jsonl"
    markup = "markup"
    brat = "brat"


@dataclass
class Source:
    """A text file that was opened and is about to be read.

    path (Path): the file, or a folder of brat's pairs.
    format (Optional[Format]): its format, None for plain text.
    raw (bool): whether to read it without annotation.
    faults (Faults): what was mended and noted, complete once the sentences are read.
    lines (Iterable[Line]): its lines, to be read once.
    columns (Optional[ColumnFile]): where it may have columns, what they hold.
    rows (List[TaggedSentence]): its sentences where it has columns.
    scheme (Scheme): the scheme of its tags where it has some.
    items (List[Item]): its sentences where it is JSON.
    forms (List[str]): the forms of its records where it is JSON.
    """

    path: Path
    format: Optional[Format]
    raw: bool
    faults: Faults
    lines: Iterable[Line] = ()
    columns: Optional[ColumnFile] = None
    rows: List[TaggedSentence] = field(default_factory=list)
    scheme: Scheme = Scheme.bio
    items: List[Item] = field(default_factory=list)
    forms: List[str] = field(default_factory=list)

    def read(self, tokenize: Tokenize) -> Iterator[Sentence]:
        """Read the sentences, once.

        tokenize (Tokenize): the tokenizer for running text.
        YIELDS (Sentence): the sentences, at least one.
        RAISES (DataError): the file has a fault that is not to be mended, no sentence, or no entity left of those that
            were to be mended.
        """
        sentences = entities = 0
        for sentence in self._read_annotated(tokenize):
            if self.raw and sentence.spans is not None:
                if sentence.spans:
                    self.faults.note("sentences whose entities were left out (--raw)")
                sentence.spans, sentence.unannotated = None, ()
            entities += len(sentence.spans or [])
            yield sentence
            sentences += 1
        if not sentences:
            counts = [*self.faults.notes.items(), *self.faults.repairs.items()]
            left_out = [f"{count:,} {what}" for what, count in counts]
            raise self.faults.error(EMPTY_FILE, None, "; ".join(["no sentence", *left_out]))
        lost = [what for what in self.faults.repairs if what in DESTROYING]
        if lost and not entities and not self.raw:
            raise self.faults.error(NOTHING_LEFT, None, f"no entity left: {'; '.join(lost)}")
        check_repairs(self.faults, sentences)

    def _read_annotated(self, tokenize: Tokenize) -> Iterator[Sentence]:
        """Read the sentences with their annotation."""
        if self.format is Format.conll:
            yield from (read_tags(rows, self.scheme, self.faults) for rows in self.rows)
        elif self.format is Format.jsonl:
            yield from read_sentences(self.items, self.scheme, tokenize, self.faults)
        elif self.format is Format.brat:
            yield from read_brat(self.path, tokenize, self.faults)
        elif self.format is Format.markup:
            yield from read_markup(self.lines, tokenize, self.faults)
        else:
            for number, line in self.lines:
                if is_blank_line(line) or not line.strip():
                    if line.strip(" \t"):
                        self.faults.note("lines of blanks and zero-width characters alone left out")
                else:
                    yield Text.from_doc(tokenize(line.strip(" \t")), number).sentence(None)


def open_files(
    paths: Sequence[Path],
    *,
    format: Format = Format.auto,
    scheme: Scheme = Scheme.auto,
    raw: Optional[bool] = False,
    repair: bool = False,
) -> List[Source]:
    """Open text files that belong together: the splits of one set.

    The scheme of tags is told from all of them, as a small one alone may not show it.

    paths (Sequence[Path]): the files.
    format (Format): the format of all of them; by default told for each.
    scheme (Scheme): the scheme of the tags in columns.
    raw (Optional[bool]): read without annotation. Files are then plain text, one sentence or paragraph a line, but
        for JSONL by its name and for another format that `format` asks for. None takes a file for plain text where
        it holds neither columns nor markup, and is an error where it is False.
    repair (bool): mend and count what can be mended.
    RETURNS (List[Source]): one for each file.
    RAISES (DataError): a file cannot be read, its format cannot be told, or its columns have a fault.
    """
    sources = [_open_file(Faults(Path(path), repair), format, raw, scheme) for path in paths]
    share_notation([source.columns for source in sources if source.columns])
    for source in sources:
        if source.columns:
            source.format = _settle_format(source.columns, format, raw)
            source.raw = bool(raw) or source.format is None
    read = [source for source in sources if source.format is Format.conll]
    rows, scheme_of_columns = read_files([source.columns for source in read if source.columns], scheme)
    for source, sentences in zip(read, rows, strict=True):
        source.lines, source.rows, source.scheme = (), sentences, scheme_of_columns
    _share_json_scheme(sources, scheme)
    return sources


def _share_json_scheme(sources: Sequence[Source], scheme: Scheme) -> None:
    """Have the tags in JSON files that belong together read by one notation and scheme, told from all of them."""
    items = [item for source in sources for item in source.items if isinstance(item, TagItem)]
    if items:
        tags = Counter(tag for item in items for tag in item.rows.tags)
        reading = find_notation(tags)
        if scheme is Scheme.io and not (reading.notation is Notation.prefix and reading.entities):
            reading = read_counts(tags, Notation.label)
        write = TagWriter(reading)
        for item in items:
            item.rows.tags = [write(tag) for tag in item.rows.tags]
        if reading.notation is Notation.label:
            first = next(source for source in sources if items[0] in source.items)
            how = "in the file, or in what wrote it"
            check_outside((tag for item in items for tag in item.rows.tags), how, first.faults)
        if scheme is Scheme.auto:
            scheme = choose_scheme([[item.rows for item in items]], [reading.notation])
    for source in sources:
        if source.items:
            source.scheme = scheme
            check_tags([item.rows for item in source.items if isinstance(item, TagItem)], scheme, source.faults)


def _open_file(faults: Faults, format: Format, raw: Optional[bool], scheme: Scheme) -> Source:
    """Open one file: look for columns where it may have some, read the records of JSON, make other lines ready."""
    # With `raw` a text is read by itself, whatever lies beside it.
    is_pair = format is Format.auto and is_brat(faults.path) and not (raw and faults.path.suffix == TEXT_SUFFIX)
    if format is Format.brat or is_pair:
        return Source(faults.path, Format.brat, bool(raw), faults)
    is_json = faults.path.name.removesuffix(".gz").endswith((".jsonl", ".json"))
    lines = read_lines(faults)
    if format is Format.auto and is_json:
        format = Format.jsonl
    if format is Format.auto and raw:
        return Source(faults.path, None, True, faults, lines)
    listed = list(lines)
    if format in (Format.auto, Format.conll):
        return Source(faults.path, None, bool(raw), faults, listed, columns=ColumnFile.of(listed, scheme, faults))
    if format is Format.jsonl:
        context = Context(faults, raw)
        items = read_items(listed, context)
        return Source(faults.path, format, bool(raw), faults, items=items, forms=context.forms)
    return Source(faults.path, format, bool(raw), faults, listed)


def _settle_format(file: ColumnFile, format: Format, raw: Optional[bool]) -> Optional[Format]:
    """Tell columns from markup by what most lines are, so that a slip in one is found as a slip; None for neither.

    RAISES (DataError): it is neither, and plain text was not asked for.
    """
    content = [(row.number, row.text) for row in file.table.rows if row.cells]
    markup = sum("](" in text for _, text in content)  # what a broken entity holds too
    # In a long text without annotation such brackets may stand somewhere.
    if format is Format.auto and markup > file.tagged and (raw is False or markup > len(content) * LEAST_MARKUP):
        return Format.markup
    # A line of text may end in O: in a file that may be plain text most have to.
    enough = file.tagged if raw is False else 2 * file.tagged >= len(content)
    if not content or (file.layout and (enough or format is Format.conll)):
        return Format.conll
    if format is Format.auto and raw is not False:
        return None
    if file.has_labels_alone():
        raise file.faults.error(NO_PREFIXES, content[0][0], "what may be labels alone in the place of tags")
    untagged = [line for line in content if not ends_in_tag(line[1])] or content
    number, text = next((line for line in untagged if not line[1].startswith("#")), untagged[0])
    raise file.faults.error(COLUMNS, number, wrong_columns(text, None))
