"""`fingerprint.json`: the fingerprint of a finished output and the digests of its files, written and checked."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence

import srsly
from wasabi import msg

from ..data.files import write_files
from .contents import path_digest

# The value of each input of a result, by the input's name.
Fingerprint = Dict[str, str]

RECORD = "fingerprint.json"
NAMED_IN_MESSAGE = 5


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> List[str]:
    """Return the names of the inputs that differ between two fingerprints."""
    return [name for name in before if before[name] != now.get(name)] + [name for name in now if name not in before]


def in_words(names: Sequence[str]) -> str:
    """Return the first names of a list for a message."""
    return ", ".join(names[:NAMED_IN_MESSAGE]) + (" ..." if len(names) > NAMED_IN_MESSAGE else "")


def record_path(folder: Path, output: str = "") -> Path:
    """Return the file of a record: `<output>.json` if an output is named, `fingerprint.json` otherwise."""
    return folder / (f"{output}.json" if output else RECORD)


def write_record(folder: Path, fingerprint: Fingerprint, made: Iterable[str], output: str = "", **notes: Any) -> None:
    """Write the fingerprint of a finished output, with the digests of what was made.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): what the output depends on.
    made (Iterable[str]): the names of the files and folders in it that were made.
    output (str): the name of the output, if the folder holds several.
    notes (Any): further entries of the record, by name.
    """
    digests = {name: path_digest(folder / name) for name in sorted(made)}
    content = {**notes, "fingerprint": fingerprint, "made": digests}
    write_files({record_path(folder, output): (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def is_up_to_date(folder: Path, fingerprint: Fingerprint, output: str = "") -> bool:
    """Return whether an output is finished, has this fingerprint and is unchanged since; print the decision.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): what the output would depend on if it were made now.
    output (str): the name of the output, if the folder holds several.
    """
    try:
        record = srsly.read_json(record_path(folder, output))
        before, made = dict(record["fingerprint"]), dict(record["made"])
    except (OSError, ValueError, KeyError, TypeError):
        # There is no record, or it is damaged.
        return False
    changed = differences(before, fingerprint)
    if not changed:
        changed = [f"{folder / name} itself" for name, digest in made.items() if path_digest(folder / name) != digest]
    if changed:
        msg.info(f"{folder / output} is made again. Changed since it was made: {in_words(changed)}")
        return False
    msg.info(f"{folder / output} is kept: nothing changed since it was made")
    return True
