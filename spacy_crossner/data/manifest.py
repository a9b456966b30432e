"""The checksums of the splits that `convert` and `split` wrote into a folder, in the format of `sha256sum`.

With the checksums, each command recognizes its own splits, which it may replace and delete. It does not change files of
the other command or of the user. A comment line, which `sha256sum` ignores, precedes the checksums of `split`.
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


def make_manifest(
    folder: Path, contents: Mapping[Path, bytes], removed: Collection[Path], writer: str = CONVERT
) -> bytes:
    """Return the manifest of a folder with the checksums of new files and of existing files that stay.

    folder (Path): the folder.
    contents (Mapping[Path, bytes]): the new files with their contents.
    removed (Collection[Path]): files that will be deleted.
    writer (str): the command that writes.
    """
    lines: List[str] = []
    changed = {path.name for path in (*contents, *removed)}
    earlier = _read_manifest(folder)
    for name in (CONVERT, SPLIT):
        sums = {file: digest for file, digest in earlier.get(name, {}).items() if file not in changed}
        sums = {file: digest for file, digest in sums.items() if (folder / file).is_file()}
        if name == writer:
            sums.update({path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()})
        lines += [f"{_COMMENT}{name}\n"] * (name != CONVERT and bool(sums))
        lines += [f"{sums[file]}  {file}\n" for file in sorted(sums)]
    return "".join(lines).encode("utf-8")


def find_stale(
    folder: Path, contents: Mapping[Path, bytes], splits: Collection[str], *, force: bool, writer: str = CONVERT
) -> List[Path]:
    """Return the splits of an earlier corpus in a folder, which must be deleted.

    folder (Path): the folder.
    contents (Mapping[Path, bytes]): the new files with their contents.
    splits (Collection[str]): names of splits that must not remain, in addition to the splits that the command wrote.
    force (bool): replace and delete any split.
    writer (str): the command that writes.
    RAISES (DataError): without force: a split was not written by the command, or has changed since.
    """
    recorded = _read_manifest(folder).get(writer, {})
    names = dict.fromkeys([*(f"{split}.spacy" for split in splits), *(path.name for path in contents), *recorded])
    paths = [path for name in names if (path := folder / name).is_file()]
    foreign = []
    for path in paths:
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise unreadable(path, error) from error
        is_new = path in contents and hashlib.sha256(contents[path]).hexdigest() == digest
        if not is_new and recorded.get(path.name) != digest:
            foreign.append(path.name)
    if foreign and not force:
        found = f"{', '.join(foreign)}, which `{writer}` did not write, or which changed since"
        raise Faults(folder).error(_FAULTS[writer], None, found)
    return [path for path in paths if path not in contents]


def _read_manifest(folder: Path) -> Dict[str, Dict[str, str]]:
    """Return the checksums of a folder by writer and file name; none if the manifest is missing or damaged."""
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
            # A name with a folder in it could lead to a file elsewhere, which would be deleted.
            if name and name == Path(name).name:
                sums.setdefault(writer, {})[name] = digest
    return sums
