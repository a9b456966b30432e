"""The sums of the splits that `convert` wrote into a folder, in the form of `sha256sum`.

By them it knows its own splits, which it may write over and take away, from those that a person made.
"""

import hashlib
from pathlib import Path
from typing import Collection, Dict, List, Mapping

from .docbin import unreadable
from .faults import NOT_OURS, Faults

MANIFEST = "SHA256SUMS"


def make_manifest(contents: Mapping[Path, bytes]) -> bytes:
    """Return the sums of files.

    contents (Mapping[Path, bytes]): what is in them.
    """
    lines = [f"{hashlib.sha256(content).hexdigest()}  {path.name}\n" for path, content in contents.items()]
    return "".join(sorted(lines, key=lambda line: line.split("  ")[1])).encode("utf-8")


def find_stale(folder: Path, contents: Mapping[Path, bytes], splits: Collection[str], *, force: bool) -> List[Path]:
    """Return the splits in a folder that are to be taken away, as they are of an earlier corpus.

    folder (Path): the folder.
    contents (Mapping[Path, bytes]): what is about to be written into it.
    splits (Collection[str]): the names of splits.
    force (bool): take away and write over any split.
    RAISES (DataError): there is a split that `convert` did not write, or not as it is now, and no force.
    """
    written = _read_manifest(folder)
    paths = [path for split in splits if (path := folder / f"{split}.spacy").is_file()]
    others = []
    for path in paths:
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error
        is_new = path in contents and hashlib.sha256(contents[path]).hexdigest() == found
        if not is_new and written.get(path.name) != found:
            others.append(path.name)
    if others and not force:
        found = f"{', '.join(others)}, which `convert` did not write, or which changed since"
        raise Faults(folder).error(NOT_OURS, None, found)
    return [path for path in paths if path not in contents]


def _read_manifest(folder: Path) -> Dict[str, str]:
    """Return the sums of a folder by file name; none where they are not there or damaged."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
