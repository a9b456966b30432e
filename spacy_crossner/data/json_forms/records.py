"""JSON text as records: one value per line (JSONL), or one list, or an object around such a list."""

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..faults import BAD_JSON, Faults
from ..files import Line

# Keys of the list of records in an object around it; the object may also hold the names of the labels.
CONTAINERS = ("annotations", "data")


@dataclass
class Record:
    """One record of a file.

    line (int): its line, or its number in a list, counted from 1.
    value (Any): an object, or spaCy's pair of a text and an object.
    enclosing (Mapping[str, Any]): the object around all records, without the records.
    """

    line: int
    value: Any
    enclosing: Mapping[str, Any] = field(default_factory=dict)


def quote(value: object) -> str:
    """Quote a JSON value for a message, cut to 60 characters."""
    try:
        return f"{value!r:.60}"
    except RecursionError:
        return f"a {type(value).__name__} of many levels"


def is_pair(value: object) -> bool:
    """Return whether a value is spaCy's pair of a text and an object with its annotation."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict)


def read_records(lines: Iterable[Line], faults: Faults) -> List[Record]:
    """Read the records of a JSON file: a record per line or one list, detected by its content.

    lines (Iterable[Line]): the numbered lines; blank lines are ignored.
    faults (Faults): faults are reported here; its `unit` becomes "record" if the file is one list.
    RETURNS (List[Record]): the records, without records that a repair dropped.
    RAISES (DataError): a line is no JSON object and no pair, or the list as a whole is no JSON.
    """
    content = [(number, text) for number, text in lines if text.strip()]
    if not content:
        return []
    first, _ = _load(content[0][1])
    if not _is_record(first) or (len(content) == 1 and _expand(first) is not None):
        document, problem = (first, None) if len(content) == 1 else _load("\n".join(text for _, text in content))
        expanded = _expand(document)
        if expanded is not None:
            faults.unit = "record"
            faults.tally.records = len(expanded)
            return [record for record in expanded if _check(record, faults)]
        if isinstance(document, dict):
            return [Record(content[0][0], document)]
        if problem and content[0][1].lstrip().startswith("["):
            number = content[min(problem[0], len(content)) - 1][0]
            raise faults.error(BAD_JSON, number, f"text that is no JSON ({problem[1]})")
    records: List[Record] = []
    faults.tally.records = len(content)
    for number, text in content:
        value, problem = _load(text)
        if problem:
            faults.mend(BAD_JSON, number, f"text that is no JSON ({problem[1]})")
        elif _check(Record(number, value), faults):
            records.append(Record(number, value))
    return records


def _check(record: Record, faults: Faults) -> bool:
    """Return whether a value is a record; report it if not."""
    if not _is_record(record.value):
        kind = "null" if record.value is None else type(record.value).__name__
        faults.mend(BAD_JSON, record.line, f"a JSON {kind}")
    return _is_record(record.value)


def _is_record(value: object) -> bool:
    return isinstance(value, dict) or is_pair(value)


def _expand(value: object) -> Optional[List[Record]]:
    """Return the records of a list, or of an object around a list of them; None for anything else."""
    if isinstance(value, list) and not is_pair(value):
        return [Record(number, item) for number, item in enumerate(value, 1)]
    if isinstance(value, dict) and "text" not in value:
        for key in CONTAINERS:
            items = value.get(key)
            # Tools write null for a text without annotation.
            if isinstance(items, list) and any(map(_is_record, items)) and isinstance(value.get("data", []), list):
                enclosing = {other: member for other, member in value.items() if other != key}
                return [Record(number, item, enclosing) for number, item in enumerate(items, 1) if item is not None]
    return None


def _load(text: str) -> Tuple[Any, Optional[Tuple[int, str]]]:
    """Return the value of a JSON text and None, or None and the line within it where it is wrong and why."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # raises an error for half of a surrogate pair
        return value, None
    except json.JSONDecodeError as error:
        return None, (error.lineno, str(error))
    except (ValueError, RecursionError) as error:
        return None, (1, str(error))


def _unique(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    """Return an object; a key with two different values is an error, because one of them would be lost."""
    members = dict(pairs)
    if len(members) < len(pairs):
        for key, value in pairs:
            if members[key] != value:
                raise ValueError(f"the key {quote(key)} with two values")
    return members
