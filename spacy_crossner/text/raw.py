"""Reading of raw text in blocks of whole lines."""

import gzip
import hashlib
import re
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO, ContextManager, Iterator, List, Sequence, cast

import numpy as np
from tqdm import tqdm

from ..data.files import reason
from ..data.normal_form import sentence_key
from ..errors import CrossnerError

C400 = "[C400] {path}: found {found}; expected a readable text file, plain or gzipped (.gz)."
C401 = "[C401] {path}, line {line}: found the byte 0x{byte:02x}; expected UTF-8. Convert the file: `iconv -t UTF-8`."
C402 = "[C402] {path}, line {line}: found more than {limit:,} bytes; expected a sentence or a paragraph on each line."

# Number of bytes read at once. A block takes about ten times its size in memory. Smaller blocks take more NumPy calls.
BLOCK = 1 << 20
# Maximum number of bytes in a line. A file without line ends raises an error, instead of being read as one block.
LONGEST_LINE = 1 << 24

# Translation of ASCII bytes: the white space of `str.split`, and U+0000, become blanks.
BLANKS = bytes(byte if byte == ord("\n") or (byte and not chr(byte).isspace()) else 32 for byte in range(128))
BLANKS += bytes(range(128, 256))
# White space of `str.split` outside ASCII, as UTF-8.
WIDE_BLANKS = [
    character.encode()
    for character in "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
]
WIDE_BLANK = re.compile(b"|".join(WIDE_BLANKS))
LEADS = bytes(byte in {blank[0] for blank in WIDE_BLANKS} for byte in range(256))
# The same white space as numbers, separately for two bytes and three bytes.
TWO_BYTES, THREE_BYTES = ([int.from_bytes(blank) for blank in WIDE_BLANKS if len(blank) == size] for size in (2, 3))
IS_BLANK = bytes(byte in b" \n" for byte in range(256))

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_blocks(paths: Sequence[Path], *, block: int = BLOCK, label: str = "read") -> Iterator[bytes]:
    """Read files as blocks of whole lines, with a progress bar on a terminal.

    paths (Sequence[Path]): the files, plain or gzipped (`.gz`), UTF-8. LF and CRLF end a line.
    block (int): the size of a block in bytes. A block also includes the rest of its last line.
    label (str): the label of the progress bar.
    YIELDS (bytes): non-empty lines, joined by LF, with white space normalized by `normalise`.
    RAISES (CrossnerError): a file cannot be read, is truncated or not UTF-8, or has a line that is too long.
    """
    check_files(paths)
    total = sum(path.stat().st_size for path in paths)
    with tqdm(total=total, unit="B", unit_scale=True, desc=label, disable=None, leave=False) as progress:
        for path in paths:
            try:
                with path.open("rb") as stored, unpacked(path, stored) as handle:
                    before = 0
                    for text in _read_file(path, handle, block):
                        progress.update(stored.tell() - before)
                        before = stored.tell()
                        yield text
            except (OSError, EOFError, zlib.error) as error:
                found = reason(error) if isinstance(error, OSError) else f"a damaged gzip file ({error})"
                raise CrossnerError(C400.format(path=path, found=found)) from error


def read_text_lines(path: Path) -> List[str]:
    """Return the lines of a file, non-empty and with normalized white space; see `read_blocks`."""
    return b"\n".join(read_blocks([path])).decode("utf-8").split("\n")


def check_files(paths: Sequence[Path]) -> None:
    """Raise an error if a file does not exist, before any file is read."""
    for path in paths:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise CrossnerError(C400.format(path=path, found=found))


def line_place(line: str) -> float:
    """Return a hash of a line's normal form as a number in [0, 1), uniform over different lines.

    A threshold on this number holds out a share of a text. All repetitions of a line are on the same side, and so is
    the same line in another text. Corpora of the integrated level repeat lines.
    """
    return int.from_bytes(hashlib.blake2b(sentence_key(line).encode(), digest_size=6).digest(), "big") / (1 << 48)


def unpacked(path: Path, stored: BinaryIO) -> ContextManager[BinaryIO]:
    """Return the handle that reads the text of a file: unpacked for a gzip file."""
    return cast(ContextManager[BinaryIO], gzip.open(stored)) if path.suffix == ".gz" else nullcontext(stored)


def _read_file(path: Path, handle: BinaryIO, block: int) -> Iterator[bytes]:
    """Read the blocks of one file."""
    line = 1
    while text := handle.read(block):
        if not text.endswith(b"\n"):
            text += handle.readline(LONGEST_LINE)
            start = text.rfind(b"\n", 0, len(text) - 1) + 1
            if len(text) - start > LONGEST_LINE:
                number = line + text.count(b"\n", 0, start)
                raise CrossnerError(C402.format(path=path, line=number, limit=LONGEST_LINE))
        try:
            text.decode("utf-8")
        except UnicodeDecodeError as error:
            number = line + text.count(b"\n", 0, error.start)
            raise CrossnerError(C401.format(path=path, line=number, byte=text[error.start])) from error
        content = normalise(text.removeprefix(BYTE_ORDER_MARK) if line == 1 else text)
        line += text.count(b"\n")
        if content:
            yield content


def normalise(text: bytes) -> bytes:
    """Return text with single blanks for white space within lines, no blanks at their ends, and no empty lines.

    White space is that of `str.split`, and U+0000. Splitting and joining each line gives the same result, but takes
    about 5 times as long, because most blocks need few changes (`benchmarks/select_parts.py`).

    text (bytes): UTF-8.
    RETURNS (bytes): the lines, joined by LF.
    """
    text = text.translate(BLANKS)
    if not text.isascii() and _has_wide_blanks(text):
        text = WIDE_BLANK.sub(b" ", text)
    blank = np.frombuffer(text.translate(IS_BLANK), dtype=bool)
    if (blank[1:] & blank[:-1]).any():
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        text = text.replace(b" \n", b"\n").replace(b"\n ", b"\n")
        while b"\n\n" in text:
            text = text.replace(b"\n\n", b"\n")
    return text.strip(b" \n")


def _has_wide_blanks(text: bytes) -> bool:
    """Return whether a text contains white space outside ASCII."""
    content = np.frombuffer(text + bytes(1), dtype=np.uint8)
    leads = np.flatnonzero(np.frombuffer(text.translate(LEADS), dtype=bool))
    first, second, third = (content[leads + i].astype(np.uint32) for i in range(3))
    two = first << 8 | second
    return bool((np.isin(two, TWO_BYTES) | np.isin(two << 8 | third, THREE_BYTES)).any())
