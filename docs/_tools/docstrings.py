"""Our docstrings for the reference: `name (type): meaning` lines become the sections that griffe knows.

mkdocstrings loads the extension from this file, see `mkdocs.yml`.
"""

import inspect
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

import griffe

FIELD = re.compile(r"(?P<name>\*{0,2}\w+) \((?P<type>.+?)\): (?P<meaning>.*)")
SECTIONS = {"RETURNS": "Returns", "YIELDS": "Yields", "RAISES": "Raises"}


@dataclass
class Field:
    """A line of a docstring with a name, a type and a meaning.

    name (str): a parameter, or RETURNS, YIELDS or RAISES.
    type (str): its type.
    meaning (str): its meaning, in one line.
    """

    name: str
    type: str
    meaning: str


def split_docstring(text: str) -> Tuple[str, List[Field]]:
    """Return the prose of a docstring and its fields.

    A field inside the meaning of another, as a key of a dictionary, begins a new line there.
    """
    prose: List[str] = []
    fields: List[Field] = []
    for line in inspect.cleandoc(text).splitlines():
        found = FIELD.fullmatch(line.strip())
        if found and not line.startswith(" "):
            fields.append(Field(**found.groupdict()))
        elif fields and line.startswith(" "):
            inner = f"<br>`{found['name']}` ({found['type']}): {found['meaning']}" if found else f" {line.strip()}"
            fields[-1].meaning += inner
        else:
            prose.append(line)
    return "\n".join(prose).strip(), fields


def to_google_style(text: str) -> str:
    """Return a docstring with its fields as sections in Google's style."""
    prose, fields = split_docstring(text)
    sections: Dict[str, List[str]] = {}
    for field in fields:
        title = SECTIONS.get(field.name, "Args")
        name = {"Args": f"{field.name} ({field.type})", "Raises": field.type}.get(title, f"({field.type})")
        sections.setdefault(title, []).append(f"    {name}: {field.meaning}")
    parts = [prose, *("\n".join([f"{title}:", *lines]) for title, lines in sections.items())]
    return "\n\n".join(part for part in parts if part)


class FieldSections(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = to_google_style(obj.docstring.value)
