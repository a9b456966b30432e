"""Entity lists: names of a domain, with or without a type, by which text is selected."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

from ..data.faults import Faults
from ..data.files import read_lines
from ..data.normal_form import name_key
from ..errors import CrossnerError

C404 = "[C404] {path}, line {line}: found {found}; expected {expected}."
C405 = "[C405] {path} holds no name; expected an entity list, with `name<TAB>type` or only a name on each line."
C414 = "[C414] {path}: found a damaged gzip file ({error}); expected an entity list. Compress the list again."


@dataclass
class EntityList:
    """The names of a list, in order. A name may occur several times, with different types.

    path (Path): the file.
    names (List[str]): the names in their normal form, see `name_key`.
    types (Optional[List[str]]): the type of each name; None for a list without types.
    """

    path: Path
    names: List[str] = field(default_factory=list)
    types: Optional[List[str]] = None

    def known_types(self) -> List[str]:
        """Return the types of the list, sorted; an empty list for names without types."""
        return sorted(set(self.types or ()))


def read_entities(path: Path) -> EntityList:
    """Read an entity list, plain or gzipped (`.gz`).

    The first line that is not blank determines the format. If it contains a tab, each line is a name, a tab and a type;
    further columns, such as counts, are ignored. Otherwise, each line is a name. Blank lines are skipped.

    path (Path): the file.
    RETURNS (EntityList): the list, with at least one name.
    RAISES (CrossnerError): the file cannot be read, is not UTF-8 or holds no name; or a line has no name, or its format
        differs from the format of the first line.
    """
    entities = EntityList(Path(path))
    # A list of a million names has few types: each type is stored as one shared string.
    shared: Dict[str, str] = {}
    try:
        for number, line in read_lines(Faults(entities.path)):
            if not line.strip(" \r"):
                continue
            name, tab, rest = line.partition("\t")
            name = name_key(name)
            if not entities.names and tab:
                entities.types = []
            kind = rest.partition("\t")[0].strip()
            _check_line(entities, number, name, bool(tab), kind)
            entities.names.append(name)
            if entities.types is not None:
                entities.types.append(shared.setdefault(kind, kind))
    except zlib.error as error:
        raise CrossnerError(C414.format(path=path, error=error)) from error
    if not entities.names:
        raise CrossnerError(C405.format(path=path))
    return entities


def first_untyped(paths: Sequence[Union[str, Path]]) -> Optional[Path]:
    """Return the first list without types; None if all have types. Raises the errors of `read_entities`."""
    return next((Path(path) for path in paths if read_entities(Path(path)).types is None), None)


def _check_line(entities: EntityList, number: int, name: str, has_tab: bool, kind: str) -> None:
    """Raise an error if a line is invalid."""
    typed = entities.types is not None
    found = expected = ""
    if not name:
        found, expected = "an empty name", "a name before the first tab" if typed else "a name"
    elif typed and not has_tab:
        found, expected = f"{name!r:.60} without a tab", "`name<TAB>type`, as in the lines before"
    elif typed and not kind:
        found, expected = f"no type for {name!r:.60}", "`name<TAB>type`"
    elif has_tab and not typed:
        found, expected = "a tab", "only a name, as in the lines before (or a type in every line)"
    if found:
        raise CrossnerError(C404.format(path=entities.path, line=number, found=found, expected=expected))
