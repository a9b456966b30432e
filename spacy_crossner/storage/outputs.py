"""Folders that a command replaces: only those that it has written itself, known by their files."""

from pathlib import Path
from typing import Callable, Set

from ..errors import CrossnerError, Errors

SHOWN = 5
# The lock of an output, see `locks.py`.
LOCK = ".lock"


def check_replaceable(path: Path, is_own: Callable[[Set[str]], bool], what: str) -> None:
    """Check that a folder may be replaced: it is not there, it is empty, or we have written it.

    path (Path): the folder.
    is_own (Callable[[Set[str]], bool]): says by the names in a folder whether it is one of ours.
    what (str): what one of ours is, for the error.
    RAISES (CrossnerError): it is something else, or a file.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise CrossnerError(Errors.C092.format(path=path, found="it is a file", what=what))
    names = {inside.name for inside in path.iterdir()} - {LOCK}
    if names and not is_own(names):
        shown, more = sorted(names)[:SHOWN], len(names) - SHOWN
        found = f"it holds {', '.join(shown)}" + (f" and {more} more" if more > 0 else "")
        raise CrossnerError(Errors.C092.format(path=path, found=found, what=what))


def check_pipeline(path: Path) -> None:
    """Check that a folder may be replaced by a pipeline.

    RAISES (CrossnerError): it holds something else than a saved pipeline.
    """
    check_replaceable(path, {"config.cfg", "meta.json"}.issubset, "a saved pipeline (config.cfg and meta.json)")


def check_outside(output: Path, read: Path) -> None:
    """Check that what is read does not go with the folder that is replaced.

    RAISES (CrossnerError): it is that folder, or lies in it.
    """
    if read.exists() and read.resolve().is_relative_to(output.resolve()):
        raise CrossnerError(Errors.C093.format(output=output, read=read))
