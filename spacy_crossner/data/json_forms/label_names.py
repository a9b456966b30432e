"""Names of labels that a record has as numbers, from the record, what is around it, or a file beside it."""

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

# Keys under which the names of tags are.
NAMES = ("label_names", "id2label", "names")

Names = Dict[int, str]


def read_label_config(folder: Path) -> Optional[Names]:
    """Return doccano's labels by their numbers, None where no list of them lies in the folder.

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
    """Return the names of the tags under a key of a record, None where nothing has them.

    record (Record): the record; `label_names`, `id2label`, `names` or `features` in it or around it have the names.
    key (str): the key of the tags.
    folder (Path): where a description of the data set may lie.
    RAISES (DataError): the description cannot be read.
    """
    files = (_read_json(folder / name) for name in DATASET_INFO)
    for described in (record.value, record.around, *files):
        for names in _names_in(described, key):
            return names
    return None


def _names_in(described: Any, key: str) -> Iterator[Names]:
    """Yield the names that a description has; one of several sets, by their names, has them below."""
    if not isinstance(described, dict):
        return
    features = described.get("features")
    feature = features.get(key) if isinstance(features, dict) else None
    # The names are at the feature itself or at what it is a list of.
    while isinstance(feature, dict):
        yield from filter(None, [_as_names(feature.get("names"))])
        feature = feature.get("feature")
    for name in NAMES:
        yield from filter(None, [_as_names(described.get(name))])
    for below in described.values():
        if isinstance(below, dict) and isinstance(below.get("features"), dict):
            yield from _names_in(below, key)


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
    """Return the value of a JSON file, None where there is none of that name."""
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        return None
    return _load(path, stamp)


@lru_cache(8)
def _load(path: Path, stamp: int) -> Any:
    """Read a file, once while it does not change: each record asks for it."""
    try:
        return json.loads(path.read_text(encoding="utf8"))
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error
    except (ValueError, RecursionError) as error:
        raise Faults(path).error(UNREADABLE, None, f"text that is no JSON ({error})") from error
