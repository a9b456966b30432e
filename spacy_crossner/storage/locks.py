"""One process at a time writes an output."""

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, List

from filelock import FileLock, Timeout
from wasabi import msg

from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import reason
from ..errors import CrossnerError, Errors

# What a file system without locks answers.
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)


def lock_path(output: Path) -> Path:
    """Return the lock of a file or folder: beside it, as it may be replaced as a whole.

    In a folder where only this can be written to, as where it is mounted into a container.
    """
    output = output.resolve()
    if output.is_dir() and not os.access(output.parent, os.W_OK):
        return output / ".lock"
    return output.with_name(f".{output.name}.lock")


@contextmanager
def only_writer(output: Path, message: str = Errors.C068) -> Iterator[None]:
    """Keep a second process out of an output while one writes it.

    The lock is the operating system's: it ends with its process, also by a kill. Its file is removed at the end.

    output (Path): the file or folder that is written; it need not be there.
    message (str): the error, with a place for the {output}.
    RAISES (CrossnerError): another process writes it.
    RAISES (DataError): the folder around it cannot be written to.
    """
    path = lock_path(output)
    made = [folder for folder in path.parents if not folder.exists()]
    # A file that stands for the lock, as where the system has none, would outlive a kill.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise CrossnerError(message.format(output=output)) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            _remove_empty(made)
            raise Faults(output).error(NOT_WRITABLE, None, reason(error)) from error
        msg.warn(Errors.C069.format(output=output))
    try:
        yield
    finally:
        # While it is held: whoever has just opened this file finds that it is gone. Not on Windows.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        _remove_empty(made)


def _remove_empty(folders: List[Path]) -> None:
    """Remove folders that were made for the lock alone."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
