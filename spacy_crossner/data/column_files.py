"""Column files of one data set: each has its own layout; notation and scheme of the tags are the same for all."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Iterable, List, Optional, Sequence, Tuple

from ..annotations.tags import OUTSIDE
from .columns import RowReader, TaggedSentence
from .decoding import Line
from .faults import MOSTLY_UNKNOWN, NO_OUTSIDE, NO_PREFIXES, Faults
from .layout import Layout, find_layout
from .notations import Notation
from .schemes import PREFIXES, Scheme, detect_scheme, is_tag
from .table import Table, split_at_breaks


@dataclass
class ColumnFile:
    """A file that may have columns.

    faults (Faults): names the file.
    lines (Sequence[Line]): the numbered lines.
    table (Table): their cells.
    layout (Optional[Layout]): what the columns hold; None if no column holds tags.
    """

    faults: Faults
    lines: Sequence[Line]
    table: Table
    layout: Optional[Layout]

    @classmethod
    def of(cls, lines: Sequence[Line], scheme: Scheme, faults: Faults) -> "ColumnFile":
        """Find the columns of a file. With the scheme `io`, bare labels are taken for tags.

        RAISES (DataError): two columns hold tags of entities.
        """
        lines = split_at_breaks(lines)
        table, layout = find_layout(lines, faults)
        if scheme is Scheme.io and not (layout and layout.notation is Notation.prefix and layout.reading.entities):
            table, layout = find_layout(lines, faults, Notation.label)
        return cls(faults, lines, table, layout)

    @property
    def tagged(self) -> int:
        """The number of lines with a tag."""
        return self.layout.reading.entities + self.layout.reading.outside if self.layout else 0

    def has_labels_alone(self) -> bool:
        """Return whether a column holds O and names, which may be bare labels."""
        layout = find_layout(self.lines, self.faults, Notation.label)[1]
        return layout is not None and layout.reading.outside > 0 and layout.reading.coverage >= 0.9

    def read_again(self, notation: Notation) -> None:
        """Read the tags in the notation of other files, if this file by itself does not show its notation."""
        reading = self.layout.reading if self.layout else None
        if reading is None or (reading.notation is not notation and reading.entities <= reading.unknown):
            table, layout = find_layout(self.lines, self.faults, notation)
            if layout is not None:
                self.table, self.layout = table, layout


def share_notation(files: Sequence[ColumnFile]) -> None:
    """Set the notation of files that do not show it, to the notation of the file with the most entity tags."""
    layouts = [file.layout for file in files if file.layout and file.layout.reading.entities]
    if layouts:
        best = max(layouts, key=lambda layout: layout.reading.entities)
        for file in files:
            file.read_again(best.notation)


def read_files(files: Sequence[ColumnFile], scheme: Scheme) -> Tuple[List[List[TaggedSentence]], Scheme]:
    """Read the rows of files with columns.

    files (Sequence[ColumnFile]): the files, each with a layout or without a line to read.
    scheme (Scheme): the scheme of the tags; `auto` has it found.
    RETURNS (Tuple[List[List[TaggedSentence]], Scheme]): the sentences of each file, and the scheme.
    RAISES (DataError): a row cannot be read, or the tags are of another scheme.
    """
    sentences_by_file: List[List[TaggedSentence]] = []
    for file in files:
        sentences_by_file.append(RowReader(file.table, file.layout, file.faults).read() if file.layout else [])
        # Free the lines: a large file should be in memory only once.
        file.lines = ()
        file.table.rows.clear()
    labels_alone = [file for file in files if file.layout and file.layout.notation is Notation.label]
    if labels_alone and scheme not in (Scheme.auto, Scheme.io):
        found = f"labels without prefixes as tags, but --scheme {scheme} needs prefixes"
        raise labels_alone[0].faults.error(NO_PREFIXES, None, found)
    if labels_alone:
        rename_hint = (
            "`sed -E 's/([[:blank:],;\"]){label}(\"?[[:space:]]*)$/\\1O\\2/' {file} > NEW` where it ends the lines"
        )
        check_outside(
            (tag for rows in sentences_by_file for row in rows for tag in row.tags), rename_hint, labels_alone[0].faults
        )
    if scheme is Scheme.auto:
        scheme = choose_scheme(sentences_by_file, [file.layout.notation for file in files if file.layout])
    for file, sentences in zip(files, sentences_by_file, strict=True):
        check_tags(sentences, scheme, file.faults)
    return sentences_by_file, scheme


def check_outside(tags: Iterable[str], rename_hint: str, faults: Faults) -> None:
    """Check that bare labels include O: without O every word would be in an entity.

    tags (Iterable[str]): the tags of all files of a data set, written `I-PER`.
    rename_hint (str): how to rename a label, with the placeholders {label} and {file}.
    RAISES (DataError): there are tags, and none is O.
    """
    counts = Counter(tags)
    if counts and OUTSIDE not in counts:
        tag, count = counts.most_common(1)[0]
        label = tag.removeprefix("I-")
        found = f"no tag O among {counts.total():,} labels, of which {count:,} are '{label}'"
        rename_hint = rename_hint.format(label=re.escape(label), file=faults.path)
        raise faults.error(NO_OUTSIDE, None, found, label=label, how=rename_hint)


def choose_scheme(files: Sequence[Sequence[TaggedSentence]], notations: Sequence[Notation]) -> Scheme:
    """Detect the scheme of the files of a data set.

    files (Sequence[Sequence[TaggedSentence]]): the sentences of each.
    notations (Sequence[Notation]): how the tags of each are written.
    RETURNS (Scheme): the scheme.
    """
    if Notation.label in notations:
        return Scheme.io
    return detect_scheme(sentence.tags for sentences in files for sentence in sentences)


def check_tags(sentences: Sequence[TaggedSentence], scheme: Scheme, faults: Faults) -> None:
    """Check that the tags of a file belong to the scheme, because a repair would replace all other tags by O.

    RAISES (DataError): more tags are unknown than known, O left aside, or a quarter are of another scheme.
    """
    unknown = [
        (number, tag)
        for sentence in sentences
        for number, tag in zip(sentence.lines, sentence.tags, strict=True)
        if not is_tag(tag, PREFIXES[scheme])
    ]
    entities = sum(tag != OUTSIDE for sentence in sentences for tag in sentence.tags)
    # Tags of another scheme are no typing errors, so that fewer of them are enough.
    foreign = sum(is_tag(tag) for _, tag in unknown)
    if 2 * len(unknown) > entities or 4 * foreign > entities:
        examples = ", ".join(repr(tag) for tag, _ in Counter(tag for _, tag in unknown).most_common(3))
        found = f"{len(unknown):,} of {entities:,} tags other than O that are not of the scheme {scheme}: {examples}"
        detected = detect_scheme(sentence.tags for sentence in sentences)
        hint = (
            f"--scheme {detected}" if detected is not scheme else "--scheme io if the tags are labels without prefixes"
        )
        raise faults.error(MOSTLY_UNKNOWN, unknown[0][0], found, hint=hint)
