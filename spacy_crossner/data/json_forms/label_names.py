"""Names of labels given as numbers: from the record, the object around all records, or a file in the same folder."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

from ..faults import UNREADABLE, Faults
from ..files import reason
from .records import Record

# doccano's list of labels, and the description of a data set that Hugging Face's `datasets` writes.
LABEL_CONFIG = "label_config.json"
DATASET_INFO = ("dataset_info.json", "dataset_infos.json")

# Keys for the names of tags.
NAMES = ("label_names", "id2label", "names")

Names = Dict[int, str]


def read_label_config(folder: Path) -> Optional[Names]:
    """Return doccano's labels by their numbers; None if there is no list of labels in the folder.

    RAISES (DataError): the list cannot be read.
    """
    listed = _read_json(folder / LABEL_CONFIG)
    if not isinstance(listed, list):
        return None
    entries = [entry for entry in listed if isinstance(entry, dict)]
    return {
        entry["id"]: entry["text"]
        for entry in entries
        if type(entry.get("id")) is int and isinstance(entry.get("text"), str)
    }


def find_tag_names(record: Record, key: str, folder: Path) -> Optional[Names]:
    """Return the names of the tags under a key of a record; None if they are not found.

    record (Record): the record; it or the object around all records may have the names under `label_names`, `id2label`,
        `names` or `features`.
    key (str): the key of the tags.
    folder (Path): the folder of a possible description of the data set.
    RAISES (DataError): the description cannot be read.
    """
    files = (_read_json(folder / name) for name in DATASET_INFO)
    for described in (record.value, record.enclosing, *files):
        for names in _names_in(described, key):
            return names
    return None


def _names_in(described: Any, key: str) -> Iterator[Names]:
    """Yield the names in a description of a data set, or of several data sets by name."""
    if not isinstance(described, dict):
        return
    features = described.get("features")
    feature = features.get(key) if isinstance(features, dict) else None
    # The names are in the feature itself, or in the feature that it is a list of.
    while isinstance(feature, dict):
        yield from filter(None, [_as_names(feature.get("names"))])
        feature = feature.get("feature")
    for name in NAMES:
        yield from filter(None, [_as_names(described.get(name))])
    for part in described.values():
        if isinstance(part, dict) and isinstance(part.get("features"), dict):
            yield from _names_in(part, key)


def _as_names(value: Any) -> Optional[Names]:
    """Return names by number from a list of them or an object whose keys are numbers; None for anything else."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict) or not value or not all(isinstance(name, str) for name in value.values()):
        return None
    try:
        return {int(number): name for number, name in value.items()}
    except ValueError:
        return None


def _read_json(path: Path) -> Any:
    """Return the value of a JSON file; None if there is no such file."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    return _load(path, stamp)


@lru_cache(8)
def _load(path: Path, stamp: int) -> Any:
    """Read a file; cached until it changes, because each record asks for it."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error
    except (ValueError, RecursionError) as error:
        raise Faults(path).error(UNREADABLE, None, f"text that is no JSON ({error})") from error
