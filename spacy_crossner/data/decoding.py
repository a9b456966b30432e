"""Bytes of a text file as lines: UTF-8, or UTF-16 and UTF-32 with a byte order mark."""

import codecs
from itertools import chain
from typing import Iterator, Optional, Tuple

from .faults import NOT_UTF8, Faults

Line = Tuple[int, str]

# UTF-32 first, because its little-endian mark begins with the mark of UTF-16.
MARKED = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode_lines(raws: Iterator[bytes], faults: Faults) -> Iterator[Line]:
    r"""Decode a file line by line. A file with a byte order mark of UTF-16 or UTF-32 is read into memory as a whole.

    LF and CRLF end a line, and so does CR in a file without LF (as on old Macs). Any other line end of Unicode (U+0085,
    U+2028, form feed ...), and CR in a file with LF, may be part of a token. Files with columns are also cut there if
    this gives rows, see `split_at_breaks`.

    raws (Iterator[bytes]): the file, cut after each LF byte.
    faults (Faults): names the file.
    YIELDS (Line): the line's number, counted from 1, and the line without its end and without a byte order mark.
    RAISES (DataError): the encoding of the file is not supported.
    """
    first = next(raws, b"")
    encoding = next((MARKED[mark] for mark in MARKED if first.startswith(mark)), None)
    if encoding:
        yield from _decode_marked(first + b"".join(raws), encoding, faults)
        return
    offset = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
    first = first[offset:]
    if not first.endswith(b"\n") and b"\r" in first:  # the whole file, or the raw text of one line
        raws = iter(first.splitlines(keepends=True))
    else:
        raws = chain([first] if first else [], raws)
    for number, raw in enumerate(raws, 1):
        yield number, _strip_end(_decode_utf8(raw, number, offset, faults))
        offset += len(raw)


def _strip_end(line: str) -> str:
    """Remove the line end."""
    return line.removesuffix("\n").removesuffix("\r")


def _decode_utf8(raw: bytes, number: int, offset: int, faults: Faults) -> str:
    """Decode a line of UTF-8.

    RAISES (DataError): it is not UTF-8, or more than a third of its bytes are NUL (one in a line end is no evidence).
    """
    # ASCII letters in UTF-16 or UTF-32 are valid UTF-8.
    if b"\0" in raw and raw.count(0) * 3 > len(raw) > 3:
        found = "NUL bytes, as in UTF-16 or UTF-32 without a byte order mark"
        raise faults.error(NOT_UTF8, number, found)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        letter = _letter(byte)
        guess = f" ({letter!r} in Latin-1 or Windows-1252)" if letter else ""
        found = f"the byte 0x{byte:02x} at offset {offset + error.start}, which is not UTF-8{guess}"
        raise faults.error(NOT_UTF8, number, found) from error


def _letter(byte: int) -> Optional[str]:
    """Return the character of a byte in Windows-1252, a superset of Latin-1; None if it has none."""
    return bytes([byte]).decode("cp1252", errors="ignore") or None


def _decode_marked(data: bytes, encoding: str, faults: Faults) -> Iterator[Line]:
    """Decode a whole file by its byte order mark."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data[: error.start].decode(encoding, errors="ignore").count("\n") + 1
        found = f"bytes at offset {error.start} that are not {encoding.upper()}, as the byte order mark says"
        raise faults.error(NOT_UTF8, number, found) from error
    lines = text.split("\n") if "\n" in text else text.split("\r")
    if not lines[-1]:
        lines.pop()
    yield from ((number, _strip_end(line)) for number, line in enumerate(lines, 1))
