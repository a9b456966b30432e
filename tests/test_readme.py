"""The tables of the README and the docs are those of the runs; links and paths in the README lead somewhere."""

import importlib.util
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Pages outside the site, whose links `mkdocs build --strict` does not check.
OUTSIDE = sorted(ROOT.glob("*.md"))


@pytest.fixture(scope="module")
def tables():
    """Give the script that fills the tables, as a module."""
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def anchors(page):
    """Return the anchors of the headings of a page, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf8"), flags=re.S | re.M)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_result_tables_are_those_of_the_runs(tables):
    runs = tables.read_tables()
    places = Counter()
    for page in tables.pages():
        text = page.read_text(encoding="utf8")
        places.update(place["name"] for place in tables.PLACE.finditer(text))
        assert text.count("<!-- results:") == len(tables.PLACE.findall(text)), f"{page}: a table without its end"
        assert tables.fill(text, runs) == text, f"{page}: run python benchmarks/tables.py"
    # Every table has one place, and every place its table.
    assert places == Counter(list(runs))


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: page.name)
def test_links_outside_the_site_lead_somewhere(page):
    # Code may hold the markup of a data format.
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(other), f"{page.name}: {target}"


def test_the_architecture_is_true():
    page = ROOT / "docs" / "architecture.md"
    architecture = page.read_text(encoding="utf8")
    names = set(re.findall(r"`([\w./]+(?:/|\.(?:py|cfg)))`", architecture))
    for name in names - {"component.py", "model.py", "head.py", "losses.py"}:
        assert (ROOT / name).exists() or (ROOT / "spacy_crossner" / name).exists(), name
    # No room and no method without its row.
    folders = [path for room in ("", "methods/") for path in (ROOT / "spacy_crossner" / room).iterdir()]
    folders = [path for path in folders if (path / "__init__.py").is_file()]
    assert len(folders) > 15
    for path in folders:
        assert {f"{path.name}/", f"spacy_crossner/methods/{path.name}/"} & names, path.name
