"""Read text files of any supported format as sentences."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence

from .alignment import Tokenize, TokenizedText, check_repairs
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

# Repairs that remove an entity. They must not remove the last one of a file.
DESTROYING = {UNKNOWN_TAG.repair, EMPTY_LABEL.repair}

# Fraction of lines with an entity from which on a text that may be plain text is read as markup.
LEAST_MARKUP = 0.05


class Format(StrEnum):
    """A file format; `auto` detects it from the file."""

    auto = "auto"
    conll = "conll"
    jsonl = "jsonl"
    markup = "markup"
    brat = "brat"


@dataclass
class Source:
    """A text file that is open for reading.

    path (Path): the file, or a folder of brat's files.
    format (Optional[Format]): its format, None for plain text.
    raw (bool): whether to read it without annotation.
    faults (Faults): its repairs and notes, complete once the sentences are read.
    lines (Iterable[Line]): its lines, which can be read once.
    columns (Optional[ColumnFile]): its columns, if it may have some.
    rows (List[TaggedSentence]): its sentences, if it has columns.
    scheme (Scheme): the scheme of its tags, if it has tags.
    items (List[Item]): its sentences, if it is JSON.
    forms (List[str]): the forms of its records, if it is JSON.
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
        RAISES (DataError): the file has a fault that is not repaired, it has no sentence, or repairs left no entity.
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
                        self.faults.note("lines with only blanks and zero-width characters left out")
                else:
                    yield TokenizedText.from_doc(tokenize(line.strip(" \t")), number).sentence(None)


def open_files(
    paths: Sequence[Path],
    *,
    format: Format = Format.auto,
    scheme: Scheme = Scheme.auto,
    raw: Optional[bool] = False,
    repair: bool = False,
) -> List[Source]:
    """Open the text files of one data set: its splits.

    The scheme of the tags is detected from all files together, because a small file by itself may not show it.

    paths (Sequence[Path]): the files.
    format (Format): the format of all files; by default it is detected for each file.
    scheme (Scheme): the scheme of the tags in columns.
    raw (Optional[bool]): read without annotation. True: files are plain text, one sentence or paragraph per line,
        unless the suffix is that of JSON or `format` names another format. None: a file with neither columns nor markup
        is plain text. False: such a file is an error.
    repair (bool): repair and count the faults that can be repaired.
    RETURNS (List[Source]): an open source for each file.
    RAISES (DataError): a file cannot be read, its format cannot be detected, or its columns have a fault.
    """
    sources = [_open_file(Faults(Path(path), repair), format, raw, scheme) for path in paths]
    share_notation([source.columns for source in sources if source.columns])
    for source in sources:
        if source.columns:
            source.format = _settle_format(source.columns, format, raw)
            source.raw = bool(raw) or source.format is None
    column_sources = [source for source in sources if source.format is Format.conll]
    rows, scheme_of_columns = read_files([source.columns for source in column_sources if source.columns], scheme)
    for source, sentences in zip(column_sources, rows, strict=True):
        source.lines, source.rows, source.scheme = (), sentences, scheme_of_columns
    _share_json_scheme(sources, scheme)
    return sources


def _share_json_scheme(sources: Sequence[Source], scheme: Scheme) -> None:
    """Detect one notation and scheme for the tags in the JSON files of a data set, from all of them."""
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
            rename_hint = "in the file, or in what wrote it"
            check_outside((tag for item in items for tag in item.rows.tags), rename_hint, first.faults)
        if scheme is Scheme.auto:
            scheme = choose_scheme([[item.rows for item in items]], [reading.notation])
    for source in sources:
        if source.items:
            source.scheme = scheme
            check_tags([item.rows for item in source.items if isinstance(item, TagItem)], scheme, source.faults)


def _open_file(faults: Faults, format: Format, raw: Optional[bool], scheme: Scheme) -> Source:
    """Open one file: find columns if it may have some, read JSON records, or keep the lines for other formats."""
    # With `raw` a text is read by itself, even if there is an annotation file.
    is_pair = format is Format.auto and is_brat(faults.path) and not (raw and faults.path.suffix == TEXT_SUFFIX)
    if format is Format.brat or is_pair:
        return Source(faults.path, Format.brat, bool(raw), faults)
    is_json = faults.path.name.removesuffix(".gz").endswith((".jsonl", ".json"))
    lines = read_lines(faults)
    if format is Format.auto and is_json:
        format = Format.jsonl
    if format is Format.auto and raw:
        return Source(faults.path, None, True, faults, lines)
    line_list = list(lines)
    if format in (Format.auto, Format.conll):
        return Source(faults.path, None, bool(raw), faults, line_list, columns=ColumnFile.of(line_list, scheme, faults))
    if format is Format.jsonl:
        context = Context(faults, raw)
        items = read_items(line_list, context)
        return Source(faults.path, format, bool(raw), faults, items=items, forms=context.forms)
    return Source(faults.path, format, bool(raw), faults, line_list)


def _settle_format(file: ColumnFile, format: Format, raw: Optional[bool]) -> Optional[Format]:
    """Decide between columns and markup by the majority of lines, so that a faulty line is reported; None for neither.

    RAISES (DataError): the file is neither, and must not be plain text.
    """
    content = [(row.number, row.text) for row in file.table.rows if row.cells]
    markup = sum("](" in text for _, text in content)  # broken entities contain it, too
    # A long text without annotation may contain such brackets somewhere.
    if format is Format.auto and markup > file.tagged and (raw is False or markup > len(content) * LEAST_MARKUP):
        return Format.markup
    # A line of plain text may end in O. So in a file that may be plain text, most lines must end in a tag.
    enough = file.tagged if raw is False else 2 * file.tagged >= len(content)
    if not content or (file.layout and (enough or format is Format.conll)):
        return Format.conll
    if format is Format.auto and raw is not False:
        return None
    if file.has_labels_alone():
        raise file.faults.error(NO_PREFIXES, content[0][0], "possible labels without prefixes instead of tags")
    untagged = [line for line in content if not ends_in_tag(line[1])] or content
    number, text = next((line for line in untagged if not line[1].startswith("#")), untagged[0])
    raise file.faults.error(COLUMNS, number, wrong_columns(text, None))
