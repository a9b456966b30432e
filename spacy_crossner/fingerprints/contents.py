"""Digests of files and folders."""

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Dict, Iterator, Sequence, Set, Tuple

from ..data.faults import UNREADABLE, Faults
from ..data.files import reason

WORKING_FOLDER = Path()
# Two writes within the resolution of the file system's clock may have the same time. git calls such files racy.
RACY_SECONDS = 2.0

# Digests of files read by this process, by inode, size and times.
_digest_cache: Dict[Tuple[int, ...], str] = {}


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file.

    Digests are cached, so that a process reads each file once. The cache key is the file's inode, size, and times. They
    include the inode's change time, which programs cannot set. Files written within the last seconds are not cached,
    since a second write could have the same times.
    """
    with path.open("rb") as handle:
        status = os.fstat(handle.fileno())
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in _digest_cache:
            started = time.time()
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            if started - max(status.st_mtime, status.st_ctime) < RACY_SECONDS:
                return digest
            _digest_cache[key] = digest
        return _digest_cache[key]


def text_digest(path: Path) -> str:
    """Return the SHA-256 of a text file.

    RAISES (DataError): the file cannot be read.
    """
    try:
        return file_digest(path)
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error


def path_digest(path: Path, without: Sequence[Path] = ()) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a folder; "" for a missing path.

    path (Path): the file or folder.
    without (Sequence[Path]): files and folders to leave out.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return ""
    digests = sorted(_file_digests(path.resolve(), {other.resolve() for other in without}))
    listing = [("/".join(parts), digest) for parts, digest in digests]
    return hashlib.sha256(json.dumps(listing).encode()).hexdigest()


def _file_digests(folder: Path, left_out: Set[Path]) -> Iterator[Tuple[Tuple[str, ...], str]]:
    """Yield the path (as parts) and the digest of each file in a folder. Links to folders are followed.

    A folder that is reached a second time, for example by a link to a parent folder, is listed by its first path
    instead of its files.

    folder (Path): the folder, resolved.
    left_out (Set[Path]): files and folders to leave out, resolved.
    """
    first_paths = {folder: "."}
    for walked, folder_names, file_names in os.walk(folder, followlinks=True):
        current = Path(walked)
        parts = current.relative_to(folder).parts
        new_folders = []
        for name in sorted(folder_names):
            path = (current / name).resolve()
            # Python writes `__pycache__` when a package is imported.
            if path in left_out or name == "__pycache__":
                continue
            if path in first_paths:
                yield (*parts, name), f"the folder {first_paths[path]}"
                continue
            first_paths[path] = "/".join((*parts, name))
            new_folders.append(name)
        # `os.walk` descends into the folders that remain in this list.
        folder_names[:] = new_folders
        for name in file_names:
            path = current / name
            # Skip broken links.
            if path.is_file() and path.resolve() not in left_out:
                yield (*parts, name), file_digest(path)
