"""Write and check `fingerprint.json`: the fingerprint of a finished output and the digests of its files."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence

import srsly
from wasabi import msg

from ..data.files import write_files
from .contents import path_digest

# The inputs of a result: value by name.
Fingerprint = Dict[str, str]

RECORD = "fingerprint.json"
NAMED_IN_MESSAGE = 5


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> List[str]:
    """Return the names of the inputs that differ between two fingerprints."""
    return [name for name in before if before[name] != now.get(name)] + [name for name in now if name not in before]


def in_words(names: Sequence[str]) -> str:
    """Return the first names of a list as text for a message."""
    return ", ".join(names[:NAMED_IN_MESSAGE]) + (" ..." if len(names) > NAMED_IN_MESSAGE else "")


def record_path(folder: Path, output: str = "") -> Path:
    """Return the path of a record: `<output>.json` if an output name is given, otherwise `fingerprint.json`."""
    return folder / (f"{output}.json" if output else RECORD)


def write_record(folder: Path, fingerprint: Fingerprint, made: Iterable[str], output: str = "", **notes: Any) -> None:
    """Write the fingerprint of a finished output and the digests of its files.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): the inputs of the output.
    made (Iterable[str]): names of the output files and folders in it.
    output (str): the name of the output, if the folder holds several.
    notes (Any): further entries of the record, by name.
    """
    digests = {name: path_digest(folder / name) for name in sorted(made)}
    content = {**notes, "fingerprint": fingerprint, "made": digests}
    write_files({record_path(folder, output): (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def is_up_to_date(folder: Path, fingerprint: Fingerprint, output: str = "") -> bool:
    """Return whether an output is finished, unchanged and has this fingerprint. Print the decision.

    folder (Path): the folder of the output.
    fingerprint (Fingerprint): the current inputs of the output.
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
        msg.info(f"{folder / output} is out of date. Changed since it was written: {in_words(changed)}")
        return False
    msg.info(f"{folder / output} is up to date")
    return True
