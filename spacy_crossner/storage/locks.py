"""Locks, so that only one process at a time writes an output."""

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

# Error numbers of a file system without locks.
NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK)


def lock_path(output: Path) -> Path:
    """Return the lock file of an output.

    The lock file is beside the output, because the output may be replaced as a whole. If only the output folder itself
    is writable, for example in a container, the lock file is inside it.
    """
    output = output.resolve()
    if output.is_dir() and not os.access(output.parent, os.W_OK):
        return output / ".lock"
    return output.with_name(f".{output.name}.lock")


@contextmanager
def only_writer(output: Path, message: str = Errors.C068) -> Iterator[None]:
    """Hold the lock of an output while it is written.

    The operating system releases the lock when the process ends, also by a kill. The lock file is removed at the end.

    output (Path): the file or folder that is written; it need not exist.
    message (str): the error message, with the placeholder {output}.
    RAISES (CrossnerError): another process holds the lock.
    RAISES (DataError): the folder around the output cannot be written to.
    """
    path = lock_path(output)
    new_folders = [folder for folder in path.parents if not folder.exists()]
    # No soft lock (a file that marks the output as locked): it would outlive a kill.
    lock = FileLock(path, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout as error:
        raise CrossnerError(message.format(output=output)) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            _remove_empty(new_folders)
            raise Faults(output).error(NOT_WRITABLE, None, reason(error)) from error
        msg.warn(Errors.C069.format(output=output))
    try:
        yield
    finally:
        # Removed while the lock is held, so that a process that has just opened the file notices. Fails on Windows.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
        _remove_empty(new_folders)


def _remove_empty(folders: List[Path]) -> None:
    """Remove folders that were made only for the lock."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()
