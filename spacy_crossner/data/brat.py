"""brat's standoff form: a text, `x.txt`, and its entities in `x.ann` beside it.

    T1<TAB>PER 0 3<TAB>Ada

Each line of a text is a sentence, as brat shows it. Lines that are joined by an entity are one sentence. Offsets count
characters of the text, line ends included.
"""

import re
from bisect import bisect
from itertools import pairwise
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from .alignment import CharSpan, Tokenize, TokenizedText, align_spans
from .faults import DISCONTINUOUS, EMPTY_FILE, NO_TEXT_FILE, NOT_UTF8, STANDOFF, UNREADABLE, Faults
from .files import read_lines, reason
from .offsets import Mark, MarkedText, resolve_offsets, same_words
from .sentences import Sentence

ANNOTATION_SUFFIX, TEXT_SUFFIX = ".ann", ".txt"

# Id, label, one or more pairs of offsets, and the words.
ENTITY = re.compile(r"T[^\t]*\t\s*(\S+) +(\d{1,15} +\d{1,15}(?: *; *\d{1,15} +\d{1,15})*) *\t(.*\S.*)")
FRAGMENT = re.compile(r"(\d+) +(\d+)")

# Kinds of the lines that are not read, by the first character of their id.
OTHER_LINE = re.compile(r"([REAMN#]\d+|\*)\t")
OTHERS = {
    "R": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalizations",
    "#": "comments",
    "*": "relations",
}


def is_brat(path: Path) -> bool:
    """Return whether a path is a text with an annotation file, an annotation file, or a folder with such files."""
    if path.is_dir():
        return any(path.glob(f"*{ANNOTATION_SUFFIX}"))
    if path.suffix == ANNOTATION_SUFFIX:
        return True
    return path.suffix == TEXT_SUFFIX and path.with_suffix(ANNOTATION_SUFFIX).is_file()


def find_brat_split(folder: Path, split: str) -> Optional[Path]:
    """Return the folder of a split if it holds brat's files; None without such a folder."""
    return folder / split if (folder / split).is_dir() and is_brat(folder / split) else None


def read_brat(path: Path, tokenize: Tokenize, faults: Faults) -> Iterator[Sentence]:
    """Read a text with its annotation, or all texts in a folder and its subfolders, in the order of their names.

    path (Path): the text, its annotation, or the folder.
    tokenize (Tokenize): the tokenizer.
    faults (Faults): faults are counted here.
    YIELDS (Sentence): the sentences, with spaces; their line numbers refer to the text file.
    RAISES (DataError): a file is missing or cannot be read, a line has another form, or an entity is wrong.
    """
    if path.is_dir():
        annotations = sorted(path.rglob(f"*{ANNOTATION_SUFFIX}"))
        texts = {text for text in path.rglob(f"*{TEXT_SUFFIX}") if not text.with_suffix(ANNOTATION_SUFFIX).exists()}
        if texts:
            faults.note("texts without an .ann file beside them left out", len(texts))
    else:
        annotations = [path.with_suffix(ANNOTATION_SUFFIX)]
    if not annotations:
        raise faults.error(EMPTY_FILE, None, "no .ann file")
    items = [_read_pair(annotation, faults) for annotation in annotations]
    for annotation, item, spans in zip(annotations, items, resolve_offsets(items, faults), strict=True):
        file_faults = faults.of_part(annotation.with_suffix(TEXT_SUFFIX))
        for line, text, line_spans in _cut_lines(item.text, spans):
            sentence = TokenizedText.from_doc(tokenize(text), line)
            yield sentence.sentence(align_spans(sentence, line_spans, file_faults))


def _read_pair(annotation: Path, faults: Faults) -> MarkedText:
    """Read a text and the entities in it."""
    file_faults = faults.of_part(annotation)
    text = _read_text(annotation.with_suffix(TEXT_SUFFIX), file_faults)
    marks = [mark for number, line in read_lines(file_faults) if (mark := _read_line(number, line, text, file_faults))]
    # Some editors count a line end of two characters as one.
    unix = text.replace("\r\n", "\n")
    if unix != text and not _fits(text, marks) and _fits(unix, marks):
        text = unix
    return MarkedText(text, marks, file_faults)


def _read_text(path: Path, faults: Faults) -> str:
    """Return the text of an annotation with unchanged line ends, which offsets count."""
    try:
        return path.read_bytes().decode("utf8").removeprefix("\ufeff")
    except FileNotFoundError as error:
        raise faults.error(NO_TEXT_FILE, None, f"no {path.name}") from error
    except OSError as error:
        raise faults.of_part(path).error(UNREADABLE, None, reason(error)) from error
    except UnicodeDecodeError as error:
        found = f"the byte 0x{error.object[error.start]:02x} at offset {error.start}, which is not UTF-8"
        raise faults.of_part(path).error(NOT_UTF8, None, found) from error


def _read_line(number: int, line: str, text: str, faults: Faults) -> Optional[Mark]:
    """Return the entity of a line; None for a line without an entity, or one that is left out."""
    if not line.strip():
        return None
    if not line.startswith("T"):
        if OTHER_LINE.match(line):
            faults.note(f"{OTHERS[line[0]]} not read")
        else:
            faults.mend(STANDOFF, number, f"{line!r:.60}")
        return None
    entity = ENTITY.fullmatch(line)
    if entity is None:
        faults.mend(STANDOFF, number, f"{line!r:.60}")
        return None
    pieces = [(int(start), int(end)) for start, end in FRAGMENT.findall(entity[2])]
    # brat writes an entity across a line end in two pieces; that is no discontinuous entity.
    for (_, end), (start, _) in pairwise(pieces):
        if not end <= start <= len(text) or text[end:start].strip():
            faults.mend(DISCONTINUOUS, number, f"{line!r:.60}, in {len(pieces)} pieces")
            faults.tally.seen += 1
            return None
    return Mark(pieces[0][0], pieces[-1][1], entity[1], number, entity[3])


def _fits(text: str, marks: List[Mark]) -> bool:
    """Return whether the words of all entities are at their offsets."""
    return all(same_words(text, mark.start, mark.end, mark.surface or "") for mark in marks)


def _cut_lines(text: str, spans: List[CharSpan]) -> Iterator[Tuple[int, str, List[CharSpan]]]:
    """Yield number, text and spans of each line that is not blank; lines joined by a span count as one."""
    breaks = [match.start() for match in re.finditer("\n", text)]
    joined_breaks = {
        position for start, end, _ in spans for position in breaks[bisect(breaks, start - 1) : bisect(breaks, end - 1)]
    }
    number, first = 1, 0
    ordered = sorted(spans)
    for last in [*(position for position in breaks if position not in joined_breaks), len(text)]:
        line_spans = ordered[bisect(ordered, (first, -1, "")) : bisect(ordered, (last, -1, ""))]
        if text[first:last].strip():
            # Blanks at the ends of a line are left out unless a span contains them.
            begin = min(
                [first + len(text[first:last]) - len(text[first:last].lstrip()), *(s for s, _, _ in line_spans)]
            )
            end = max([first + len(text[first:last].rstrip()), *(e for _, e, _ in line_spans)])
            yield number, text[begin:end], [(s - begin, e - begin, label) for s, e, label in line_spans]
        number += text.count("\n", first, last + 1)
        first = last + 1
