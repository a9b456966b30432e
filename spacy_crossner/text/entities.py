"""Entity lists: names, with or without a type each, that tell which text is worth selecting."""

import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional

from ..data.faults import Faults
from ..data.files import read_lines
from ..data.normal_form import name_key
from ..errors import CrossnerError

C404 = "[C404] {path}, line {line}: found {found}; expected {expected}."
C405 = "[C405] {path} holds no name; expected an entity list, `name<TAB>type` or a name alone on each line."
C414 = "[C414] {path}: found a gzip file that is damaged ({error}); expected an entity list."


@dataclass
class EntityList:
    """The names of a list, in its order. A name may stand several times, with other types.

    path (Path): the file.
    names (List[str]): the names in their normal form, see `name_key`.
    types (Optional[List[str]]): the type of each; None for a list of plain names.
    """

    path: Path
    names: List[str] = field(default_factory=list)
    types: Optional[List[str]] = None

    def known_types(self) -> List[str]:
        """Return the types of the list, sorted; none for plain names."""
        return sorted(set(self.types or ()))


def read_entities(path: Path) -> EntityList:
    """Read an entity list, plain or gzipped (`.gz`).

    The first line that is not blank says what the list holds. With a tab in it each line is a name, a tab and a type;
    further columns, such as counts, are not looked at. Without one each line is a name. Blank lines are skipped.

    path (Path): the file.
    RETURNS (EntityList): the list, with one name at least.
    RAISES (CrossnerError): the file cannot be read or is not UTF-8, a line has no name, or it has a tab and so a type
        where the first line has none, or the other way round; or there is no name at all.
    """
    entities = EntityList(Path(path))
    # A list of a million names has a few types: one string each.
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


def _check_line(entities: EntityList, number: int, name: str, has_tab: bool, kind: str) -> None:
    """Raise what is wrong with a line, if anything is."""
    typed = entities.types is not None
    found = expected = ""
    if not name:
        found, expected = "an empty name", "a name before the first tab" if typed else "a name"
    elif typed and not has_tab:
        found, expected = f"{name!r:.60} without a tab", "`name<TAB>type`, as in the lines before"
    elif typed and not kind:
        found, expected = f"no type for {name!r:.60}", "`name<TAB>type`"
    elif has_tab and not typed:
        found, expected = "a tab", "a name alone, as in the lines before (or a type in every line)"
    if found:
        raise CrossnerError(C404.format(path=entities.path, line=number, found=found, expected=expected))
