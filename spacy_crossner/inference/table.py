"""Write records as a Parquet table, with one type for each column."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence, Set

from ..errors import CrossnerError, Errors
from .rows import ENTITIES, ERROR, TEXT

Record = Dict[str, Any]

# Rows that are written together, at least. Readers of Parquet read such groups.
GROUP_ROWS = 10_000
# Whole numbers up to this size are exact as floating-point numbers.
EXACT = 2**53
LARGEST = 2**63


def check_library(path: Path) -> None:
    """Raise an error if pyarrow is not installed."""
    try:
        import_module("pyarrow.parquet")
    except ImportError as error:
        raise CrossnerError(Errors.C632.format(path=path)) from error


def write_table(blocks: Iterable[Sequence[Record]], path: Path) -> None:
    """Write records as a table.

    The kept fields come first, in the order in which they occur. A field whose values are all numbers, all text or all
    true or false has a column of this type. Any other field, as of lists and objects, is a column of JSON text.

    blocks (Iterable[Sequence[Record]]): records in blocks; iterated twice. Only some blocks are in memory at a time.
    path (Path): the file.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    kinds: Dict[str, Set[str]] = {}
    for records in blocks:
        for record in records:
            for name, value in record.items():
                if name not in (TEXT, ENTITIES, ERROR):
                    kinds.setdefault(name, set()).add(kind_of(value))
    types = {name: column_type(found) for name, found in kinds.items()}
    entity = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string(), "score": pa.float64()}
    schema = pa.schema(
        [(_clean(name), getattr(pa, "string" if kind == "json" else kind)()) for name, kind in types.items()]
        + [(TEXT, pa.string()), (ENTITIES, pa.list_(pa.struct(list(entity.items())))), (ERROR, pa.string())]
    )
    with ParquetWriter(path, schema) as writer:
        group: List[Record] = []
        for records in blocks:
            group += records
            if len(group) >= GROUP_ROWS:
                writer.write_table(_table(group, types, schema))
                group = []
        if group:
            writer.write_table(_table(group, types, schema))


def kind_of(value: Any) -> str:
    """Return the kind of a JSON value: null, bool, int, large (an int that no float represents), float, str or json."""
    if value is None:
        return "null"
    if isinstance(value, (bool, float)):
        return type(value).__name__
    if isinstance(value, int):
        return "int" if abs(value) <= EXACT else "large" if -LARGEST <= value < LARGEST else "json"
    return "str" if isinstance(value, str) and _clean(value) == value else "json"


def column_type(kinds: Set[str]) -> str:
    """Return the name of the Arrow type of a column with values of these kinds; "json" for JSON text."""
    kinds = kinds - {"null"}
    if kinds <= {"str"}:
        return "string"
    if kinds == {"bool"}:
        return "bool_"
    if kinds <= {"int", "large"}:
        return "int64"
    return "float64" if kinds <= {"int", "float"} else "json"


def _table(records: Sequence[Record], types: Dict[str, str], schema: Any) -> Any:
    import pyarrow as pa

    columns: List[List[Any]] = []
    for name, kind in types.items():
        values = [record.get(name) for record in records]
        if kind == "json":
            values = [json.dumps(record[name]) if name in record else None for record in records]
        columns.append(values)
    columns += [[record.get(name) for record in records] for name in (TEXT, ENTITIES, ERROR)]
    arrays = [pa.array(values, type=column.type) for values, column in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
