"""The sums of the splits that `convert` and `split` wrote into a folder, in the form of `sha256sum`.

By them each command knows its own splits, which it may write over and take away, from those of the other one and of a
person. A line of comment, which `sha256sum` passes over, stands before the sums of what `split` wrote.
"""

import hashlib
from pathlib import Path
from typing import Collection, Dict, List, Mapping

from .docbin import unreadable
from .faults import NOT_OURS, OTHER_PARTS, Faults

MANIFEST = "SHA256SUMS"
CONVERT, SPLIT = "convert", "split"

_COMMENT = "# written by "
_FAULTS = {CONVERT: NOT_OURS, SPLIT: OTHER_PARTS}


def make_manifest(folder: Path, contents: Mapping[Path, bytes], gone: Collection[Path], writer: str = CONVERT) -> bytes:
    """Return the sums of what is about to be written into a folder, and of what was there before and stays.

    folder (Path): the folder.
    contents (Mapping[Path, bytes]): what is about to be written into it.
    gone (Collection[Path]): files that are about to be taken away.
    writer (str): the command that writes.
    """
    lines: List[str] = []
    changed = {path.name for path in (*contents, *gone)}
    earlier = _read_manifest(folder)
    for name in (CONVERT, SPLIT):
        sums = {file: found for file, found in earlier.get(name, {}).items() if file not in changed}
        sums = {file: found for file, found in sums.items() if (folder / file).is_file()}
        if name == writer:
            sums.update({path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()})
        lines += [f"{_COMMENT}{name}\n"] * (name != CONVERT and bool(sums))
        lines += [f"{sums[file]}  {file}\n" for file in sorted(sums)]
    return "".join(lines).encode("utf-8")


def find_stale(
    folder: Path, contents: Mapping[Path, bytes], splits: Collection[str], *, force: bool, writer: str = CONVERT
) -> List[Path]:
    """Return the splits in a folder that are to be taken away, as they are of an earlier corpus.

    folder (Path): the folder.
    contents (Mapping[Path, bytes]): what is about to be written into it.
    splits (Collection[str]): the names of splits that may not stay beside it, those that the command wrote aside.
    force (bool): take away and write over any split.
    writer (str): the command that writes.
    RAISES (DataError): there is a split that the command did not write, or not as it is now, and no force.
    """
    written = _read_manifest(folder).get(writer, {})
    names = dict.fromkeys([*(f"{split}.spacy" for split in splits), *(path.name for path in contents), *written])
    paths = [path for name in names if (path := folder / name).is_file()]
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
        found = f"{', '.join(others)}, which `{writer}` did not write, or which changed since"
        raise Faults(folder).error(_FAULTS[writer], None, found)
    return [path for path in paths if path not in contents]


def _read_manifest(folder: Path) -> Dict[str, Dict[str, str]]:
    """Return the sums of a folder by writer and file name; none where they are not there or damaged."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    sums: Dict[str, Dict[str, str]] = {}
    writer = CONVERT
    for line in lines:
        if line.startswith(_COMMENT):
            writer = line.removeprefix(_COMMENT)
        else:
            digest, _, name = line.partition("  ")
            # A name with a folder in it would be looked for, and deleted, elsewhere.
            if name and name == Path(name).name:
                sums.setdefault(writer, {})[name] = digest
    return sums
