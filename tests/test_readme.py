"""The tables of the README and the docs are those of the runs; links outside the site lead somewhere."""

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
