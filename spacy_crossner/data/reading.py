"""Text files in any of the formats, read as sentences."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Iterable, Iterator, List, Optional, Sequence

from .alignment import Text, Tokenize, check_repairs
from .brat import TEXT_SUFFIX, is_brat, read_brat
from .columns import DOCUMENT_MARKER, TaggedSentence, has_tag, read_rows, read_tags, wrong_columns
from .faults import COLUMNS, EMPTY_FILE, Faults
from .files import Line, read_lines
from .json_forms.items import Context, Item, TagItem
from .jsonl import read_items, read_sentences
from .markup import read_markup
from .schemes import Scheme, detect_scheme
from .sentences import Sentence


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
    rows: List[TaggedSentence] = field(default_factory=list)
    scheme: Scheme = Scheme.bio
    items: List[Item] = field(default_factory=list)
    forms: List[str] = field(default_factory=list)

    def read(self, tokenize: Tokenize) -> Iterator[Sentence]:
        """Read the sentences, once.

        tokenize (Tokenize): the tokenizer for running text.
        YIELDS (Sentence): the sentences, at least one.
        RAISES (DataError): the file has a fault that is not to be mended, or no sentence.
        """
        empty = True
        for sentence in self._read_annotated(tokenize):
            if self.raw and sentence.spans is not None:
                if sentence.spans:
                    self.faults.note("sentences whose entities were left out (--raw)")
                sentence.spans, sentence.unannotated = None, ()
            yield sentence
            empty = False
        if empty:
            counts = [*self.faults.notes.items(), *self.faults.repairs.items()]
            left_out = [f"{count:,} {what}" for what, count in counts]
            raise self.faults.error(EMPTY_FILE, None, "; ".join(["no sentence", *left_out]))
        check_repairs(self.faults)

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
                if line.strip():
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
    asked = scheme
    sources = [_open_file(Faults(Path(path), repair), format, raw) for path in paths]
    if scheme is Scheme.auto:
        scheme = detect_scheme(rows.tags for source in sources for rows in source.rows)
    for source in sources:
        source.scheme = scheme
    _share_json_scheme(sources, asked)
    return sources


def _share_json_scheme(sources: Sequence[Source], scheme: Scheme) -> None:
    """Have all JSON files that belong together read by one scheme of tags, told from all of them if not asked for."""
    if scheme is Scheme.auto:
        items = [item for source in sources for item in source.items if isinstance(item, TagItem)]
        scheme = detect_scheme(item.rows.tags for item in items)
    for source in sources:
        if source.items:
            source.scheme = scheme


def _open_file(faults: Faults, format: Format, raw: Optional[bool]) -> Source:
    """Open one file: read its rows where it has columns, make its lines ready where it has none."""
    # With `raw` a text is read by itself, whatever lies beside it.
    is_pair = format is Format.auto and is_brat(faults.path) and not (raw and faults.path.suffix == TEXT_SUFFIX)
    if format is Format.brat or is_pair:
        return Source(faults.path, Format.brat, bool(raw), faults)
    is_json = faults.path.name.removesuffix(".gz").endswith((".jsonl", ".json"))
    lines = read_lines(faults)
    if format is Format.auto and raw and not is_json:
        return Source(faults.path, None, True, faults, lines)
    listed = list(lines)
    content = [(number, text) for number, text in listed if text.strip(" \t") and not text.startswith(DOCUMENT_MARKER)]
    found: Optional[Format] = format
    if format is Format.auto:
        found = Format.jsonl if is_json else _detect_format(content)
    if found is None and raw is False:
        raise faults.error(COLUMNS, content[0][0], wrong_columns(content[0][1]))
    if found is Format.jsonl:
        context = Context(faults, raw)
        items = read_items(listed, context)
        return Source(faults.path, found, bool(raw), faults, items=items, forms=context.forms)
    rows = read_rows(listed, faults) if found is Format.conll else []
    return Source(faults.path, found, bool(raw) or found is None, faults, listed, rows)


def _detect_format(content: Sequence[Line]) -> Optional[Format]:
    """Tell columns from markup by what most lines are, so that a slip in one is found as a slip; None for neither."""
    columns = sum(has_tag(text) for _, text in content)
    markup = sum("](" in text for _, text in content)  # what a broken entity holds too
    if markup > columns:
        return Format.markup
    return Format.conll if columns or not content else None
