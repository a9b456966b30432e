"""Folders that a command may replace: only its own outputs, recognized by the names of their files."""

import os
import tempfile
from pathlib import Path
from typing import Callable, Set

from spacy.language import Language

from ..data.files import reason
from ..errors import CrossnerError, Errors

C217 = "[C217] {output} exists. Give --force to replace it, or another folder."
C218 = "[C218] Cannot write {output}: {error}."

NAMES_SHOWN = 5
# The lock of an output, see `locks.py`.
LOCK = ".lock"


def check_replaceable(path: Path, is_own: Callable[[Set[str]], bool], what: str) -> None:
    """Check that a folder may be replaced: it does not exist, is empty, or was written by this package.

    path (Path): the folder.
    is_own (Callable[[Set[str]], bool]): whether a folder with these file names was written by this package.
    what (str): description of such a folder, for the error.
    RAISES (CrossnerError): the path is a file, or a folder that this package did not write.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise CrossnerError(Errors.C092.format(path=path, found="it is a file", what=what))
    names = {inside.name for inside in path.iterdir()} - {LOCK}
    if names and not is_own(names):
        shown, more = sorted(names)[:NAMES_SHOWN], len(names) - NAMES_SHOWN
        found = f"it holds {', '.join(shown)}" + (f" and {more} more" if more > 0 else "")
        raise CrossnerError(Errors.C092.format(path=path, found=found, what=what))


def check_pipeline(path: Path) -> None:
    """Check that a folder may be replaced by a pipeline.

    RAISES (CrossnerError): the folder holds something other than a saved pipeline.
    """
    check_replaceable(path, {"config.cfg", "meta.json"}.issubset, "a saved pipeline (config.cfg and meta.json)")


def check_new(path: Path, force: bool) -> None:
    """Check that a pipeline may be written to a folder.

    path (Path): the folder.
    force (bool): replace a saved pipeline.
    RAISES (CrossnerError): the folder exists; with `force`, if it holds something other than a saved pipeline.
    """
    if path.exists() and not force:
        raise CrossnerError(C217.format(output=path))
    check_pipeline(path)


def write_pipeline(nlp: Language, output: Path) -> None:
    """Save a pipeline to a folder, completely or not at all. A folder that exists is replaced.

    RAISES (CrossnerError): the folder cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as folder:
            nlp.to_disk(Path(folder) / "new")
            if output.exists():
                os.replace(output, Path(folder) / "old")
            os.replace(Path(folder) / "new", output)
    except OSError as error:
        raise CrossnerError(C218.format(output=output, error=reason(error))) from error


def check_outside(output: Path, input_path: Path) -> None:
    """Check that an input is not deleted with the folder that is replaced.

    output (Path): the folder that is replaced.
    input_path (Path): the file or folder that is read.
    RAISES (CrossnerError): the input is that folder, or is inside it.
    """
    if input_path.exists() and input_path.resolve().is_relative_to(output.resolve()):
        raise CrossnerError(Errors.C093.format(output=output, read=input_path))
