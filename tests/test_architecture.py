"""The page on the architecture is true: the files that it names exist, and every room and method has its row."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "spacy_crossner"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf8")
# Files that each method has in its own folder.
OF_A_METHOD = {"component.py", "model.py", "head.py", "losses.py"}
NAMES = set(re.findall(r"`([\w./]+(?:/|\.(?:py|cfg|yml)))`", PAGE))
FIRST_CELLS = set(re.findall(r"^\| `([\w./]+)` \|", PAGE, re.M))


def folders(parent):
    return [path.name for path in sorted(parent.iterdir()) if (path / "__init__.py").is_file()]


@pytest.mark.parametrize("name", sorted(NAMES - OF_A_METHOD))
def test_what_the_page_names_exists(name):
    assert (ROOT / name).exists() or (PACKAGE / name).exists()


def test_every_room_has_a_row():
    modules = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    assert {*(f"{name}/" for name in folders(PACKAGE)), *modules} <= FIRST_CELLS


def test_every_method_has_a_row():
    methods = {f"`spacy_crossner/methods/{name}/`" for name in folders(PACKAGE / "methods")}
    assert len(methods) >= 5
    assert methods <= {row.split("|")[2].strip() for row in PAGE.splitlines() if row.count("|") == 5}


@pytest.mark.parametrize("picture", re.findall(r"!\[[^]]+\]\(([^)]+)\)", PAGE))
def test_a_picture_exists(picture):
    assert (ROOT / "docs" / picture).is_file()


def test_the_picture_has_every_room():
    text = (ROOT / "docs" / "img" / "rooms.svg").read_text(encoding="utf8")
    modules = [path.stem for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    missing = [name for name in [*folders(PACKAGE), *modules] if f">{name}</text>" not in text]
    assert not missing
