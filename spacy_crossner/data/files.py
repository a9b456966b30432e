"""Files on disk: reading lines with their numbers, and writing several files, all or none."""

import gzip
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Iterable, Iterator, Mapping, Optional, cast

from .decoding import Line, decode_lines
from .faults import NOT_WRITABLE, OUTPUT_ENDING, READ_FILE, UNREADABLE, Faults


def reason(error: OSError) -> str:
    """Quote the message of the operating system."""
    return f"'{error.strerror or error}'"


def read_lines(faults: Faults) -> Iterator[Line]:
    """Read a text file, plain or gzipped (`.gz`), line by line: see `decode_lines` for its encodings and line ends.

    faults (Faults): names the file.
    YIELDS (Line): the line's number, counted from 1, and the line without its end and without a byte order mark.
    RAISES (DataError): the file cannot be read, or its encoding is not supported.
    """
    path = faults.path
    try:
        with cast(BinaryIO, gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")) as handle:
            yield from decode_lines(iter(handle), faults)
    except (OSError, EOFError, zlib.error) as error:
        found = reason(error) if isinstance(error, OSError) else "a gzip file that is damaged or breaks off"
        raise faults.error(UNREADABLE, None, found) from error


def check_output(output: Path, inputs: Iterable[Path], *, docbin: bool = False) -> None:
    """Check that an output replaces no input of a command and no file of another kind.

    output (Path): the file to write.
    inputs (Iterable[Path]): the files that are read.
    docbin (bool): whether the output is a DocBin. DocBins, and no other files, have the suffix `.spacy`.
    RAISES (DataError): the output is the same file as an input, or has the suffix of another kind.
    """
    check_inputs([output], inputs)
    if docbin != (output.suffix == ".spacy"):
        form = (
            "a file name ending in .spacy for a DocBin" if docbin else "another ending, because .spacy is for DocBins"
        )
        raise Faults(output).error(OUTPUT_ENDING, None, f"the name '{output.name}' for the output", form=form)


def check_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise a `DataError` if one of the outputs is one of the inputs, see `find_input`."""
    inputs = list(inputs)
    for output in outputs:
        if path := find_input(output, inputs):
            raise Faults(output).error(READ_FILE, None, "the name of an input for the output", read=path)


def find_input(output: Path, inputs: Iterable[Path]) -> Optional[Path]:
    """Return the input that is the same file as an output, also under another path; None if there is none."""
    existing = [path for path in inputs if output.exists() and path.exists()]
    return next((path for path in existing if path.samefile(output)), None)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, all or none: each under a temporary name in its folder, then all renamed.

    contents (Mapping[Path, bytes]): content by file; missing folders are created.
    RAISES (DataError): a file cannot be written. Existing files are then unchanged.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in contents}
    new_folders = {folder for path in contents for folder in path.parents if not folder.exists()}
    path = Path()
    try:
        for path, content in contents.items():
            if path.is_dir():
                raise IsADirectoryError(0, "a folder of that name")
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary[path].write_bytes(content)
        for path in contents:
            os.replace(temporary[path], path)
    except OSError as error:
        raise Faults(path).error(NOT_WRITABLE, None, reason(error)) from error
    finally:
        for name in temporary.values():
            # A parent that is no folder is reported above; `unlink` would raise an error in spite of `missing_ok`.
            if name.parent.is_dir():
                name.unlink(missing_ok=True)
        for folder in sorted(new_folders, reverse=True):
            with suppress(OSError):
                # Removes only an empty folder.
                folder.rmdir()
