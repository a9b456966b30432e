"""Read a corpus in blocks of rows: text, JSON lines and DocBins. Memory is bounded by a block."""

import json
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, NamedTuple, NoReturn, Sequence, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..annotations.domains import get_domain, get_language
from ..data.docbin import stream_docbin
from ..data.faults import UNREADABLE, Faults
from ..data.files import reason
from ..errors import CrossnerError, Errors
from ..text.raw import BYTE_ORDER_MARK, LONGEST_LINE, unpacked
from .rows import ERROR, FIELDS, Row

# A block of long rows ends at this number of bytes.
BLOCK_BYTES = 1 << 20
# Other forms of data, which would be read as lines of text.
NOT_READ = (".json", ".parquet")

# A row, its size in memory (about, in bytes), and the position after it in the stored file.
Place = Tuple[Row, int, int]


class Block(NamedTuple):
    """Rows that are annotated and stored together.

    number (int): the number of the block, from 0.
    rows (List[Row]): the rows.
    size (int): the bytes of the input files that hold them, for the progress bar.
    """

    number: int
    rows: List[Row]
    size: int


def input_form(path: Path) -> str:
    """Return the form of an input by its name: "docbin", "json" or "text".

    RAISES (CrossnerError): files of this form are not read.
    """
    if path.suffix in NOT_READ:
        raise CrossnerError(Errors.C631.format(path=path, suffix=path.suffix))
    if path.suffix == ".spacy":
        return "docbin"
    return "json" if path.name.endswith((".jsonl", ".jsonl.gz")) else "text"


def read_blocks(paths: Sequence[Path], *, field: str, size: int) -> Iterator[Block]:
    """Read files as blocks of rows. There is at least one block, which may be empty.

    paths (Sequence[Path]): DocBins (`.spacy`), JSON lines (`.jsonl`, `.jsonl.gz`) and text with a text on each line.
    field (str): the field of JSON lines that holds the text.
    size (int): the number of rows in a block. A block of long rows is smaller.
    YIELDS (Block): the blocks. A row that cannot be read has an error.
    RAISES (DataError): a file cannot be read, or is no DocBin.
    """
    number, rows, length = 0, [], 0
    before, end_of_block = 0, 0
    for path in paths:
        for row, row_length, position in _read_file(path, field):
            rows.append(row)
            length += row_length
            if len(rows) == size or length >= BLOCK_BYTES:
                yield Block(number, rows, before + position - end_of_block)
                number, rows, length = number + 1, [], 0
                end_of_block = before + position
        before += path.stat().st_size
    if rows or not number:
        yield Block(number, rows, before - end_of_block)


def _read_file(path: Path, field: str) -> Iterator[Place]:
    form = input_form(path)
    if form == "docbin":
        yield from _read_docbin(path)
        return
    try:
        with path.open("rb") as stored, unpacked(path, stored) as handle:
            for number, raw in _read_lines(handle):
                place = f"{path}, line {number}"
                try:
                    text = _decode(raw, place)
                    if not text or text.isspace():
                        continue
                    row = _read_json(text, field, place) if form == "json" else Row(text, place)
                except CrossnerError as error:
                    row = Row("", place, error=str(error))
                yield row, len(raw), stored.tell()
    except (OSError, EOFError, zlib.error) as error:
        found = reason(error) if isinstance(error, OSError) else "a gzip file that is damaged or breaks off"
        raise Faults(path).error(UNREADABLE, None, found) from error


def _read_docbin(path: Path) -> Iterator[Place]:
    """Read the tokens, marks and kept fields of docs. The packed docs are in memory as a whole."""
    size = path.stat().st_size
    n_docs, docs = stream_docbin(path, Vocab())
    for number, doc in enumerate(docs, 1):
        words = [token.text for token in doc]
        spaces = None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc]
        row = Row(
            doc.text,
            f"{path}, doc {number}",
            _fields_of(doc),
            words,
            spaces,
            get_domain(doc),
            get_language(doc),
            str(doc.user_data.get(ERROR, "")),
        )
        yield row, len(doc.text), size * number // n_docs


def _fields_of(doc: Doc) -> Dict[str, Any]:
    """Return the fields that `annotate` has kept on a doc. User data of another origin may have the same key."""
    fields = doc.user_data.get(FIELDS)
    try:
        kept: Dict[str, Any] = json.loads(json.dumps(fields)) if isinstance(fields, dict) else {}
    except (TypeError, ValueError):
        return {}
    return kept


def _read_lines(handle: BinaryIO) -> Iterator[Tuple[int, bytes]]:
    """Yield the number of each line and the line without its end. A line that is too long is cut."""
    number = 0
    while raw := handle.readline(LONGEST_LINE):
        number += 1
        ends = raw.endswith(b"\n")
        while not ends and (rest := handle.readline(LONGEST_LINE)):
            ends = rest.endswith(b"\n")
        raw = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
        yield number, raw.removesuffix(b"\n").removesuffix(b"\r")


def _decode(raw: bytes, place: str) -> str:
    if len(raw) >= LONGEST_LINE - len(BYTE_ORDER_MARK):
        _refuse(place, f"a line of more than {LONGEST_LINE:,} bytes", "a text on each line")
    if b"\0" in raw:
        _refuse(place, "a NUL byte, as in UTF-16 and in files that hold no text", "text in UTF-8")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(place, f"the byte 0x{raw[error.start]:02x}", "UTF-8. Convert the file: `iconv -t UTF-8`")


def _read_json(line: str, field: str, place: str) -> Row:
    """Return the row of a line of JSON."""
    try:
        record = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        _refuse(place, f"no JSON ({error})", "a JSON object on each line")
    if not isinstance(record, dict):
        _refuse(place, f"a JSON {type(record).__name__}", "a JSON object on each line")
    fields = {name: value for name, value in record.items() if name != field}
    text: Any = record.get(field)
    if not isinstance(text, str):
        found = f"no field '{field}'" if field not in record else f"{json.dumps(text):.40} in the field '{field}'"
        fault = Errors.C633.format(place=place, found=found, expected="a text in it; --field names the field")
        return Row("", place, fields, error=fault)
    if not _is_encodable(text):
        fault = Errors.C633.format(place=place, found="half of a surrogate pair", expected="valid Unicode")
        return Row(text.encode("utf-8", "replace").decode("utf-8"), place, fields, error=fault)
    return Row(text, place, fields)


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _refuse(place: str, found: str, expected: str) -> NoReturn:
    raise CrossnerError(Errors.C633.format(place=place, found=found, expected=expected))
