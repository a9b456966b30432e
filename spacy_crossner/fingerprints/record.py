"""`fingerprint.json`: the fingerprint of a finished output and the digests of its files, written and checked."""

import json
from pathlib import Path
from typing import Dict, Iterable, List, Mapping, Sequence

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


def write_record(folder: Path, fingerprint: Fingerprint, made: Iterable[str]) -> None:
    """Write the fingerprint of a finished output, with the digests of what was made.

    folder (Path): the output.
    fingerprint (Fingerprint): what it depends on.
    made (Iterable[str]): the names of the files and folders in it that were made.
    """
    content = {"fingerprint": fingerprint, "made": {name: path_digest(folder / name) for name in sorted(made)}}
    write_files({folder / RECORD: (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def is_up_to_date(folder: Path, fingerprint: Fingerprint) -> bool:
    """Return whether an output is finished, has this fingerprint and is unchanged since; print the decision.

    folder (Path): the output.
    fingerprint (Fingerprint): what it would depend on if it were made now.
    """
    try:
        record = srsly.read_json(folder / RECORD)
        before, made = dict(record["fingerprint"]), dict(record["made"])
    except (OSError, ValueError, KeyError, TypeError):
        # There is no record, or it is damaged.
        return False
    changed = differences(before, fingerprint)
    if not changed:
        changed = [f"{folder / name} itself" for name, digest in made.items() if path_digest(folder / name) != digest]
    if changed:
        msg.info(f"{folder} is made again. Changed since it was made: {in_words(changed)}")
        return False
    msg.info(f"{folder} is kept: nothing changed since it was made")
    return True
