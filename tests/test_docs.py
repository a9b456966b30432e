"""The site of the docs: it builds without a warning, loads nothing from the network, and its reference is complete."""

import importlib
import logging
import re
from pathlib import Path

import pytest
import typer
from mkdocs.commands.build import build
from mkdocs.config import load_config

from spacy_crossner.cli import app

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
# What a page loads by itself; links that a reader follows may lead anywhere.
LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|object)\b[^>]*?\s(?:src|href|data)=[\"']?((?:https?:)?//[^\"'\s>]+)"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Give the folder of the built site. A warning, as of a broken link, fails."""
    folder = tmp_path_factory.mktemp("site")
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logger = logging.getLogger("mkdocs")
    logger.addHandler(handler)
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), strict=True)
    try:
        config.plugins.on_startup(command="build", dirty=False)
        build(config)
    except SystemExit:
        pytest.fail("\n".join(warnings))
    finally:
        logger.removeHandler(handler)
        config.plugins.on_shutdown()
    return folder


@pytest.fixture(scope="module")
def entries():
    """Give the registered names as the reference describes them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "_tools"))
        return list(importlib.import_module("reference").entries())


def test_every_page_is_in_the_site(site):
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 10
    assert [page for page in pages if not (site / page).is_file()] == []
    assert (site / "search" / "search_index.json").is_file()
    # The code that makes the pages is not part of them.
    assert not list(site.rglob("*.py"))


def test_no_page_loads_anything_from_the_network(site):
    pages = list(site.rglob("*.html"))
    loaded = {url for page in pages for url in LOADED.findall(page.read_text(encoding="utf8"))}
    assert loaded == set()
    styles = [path.read_text(encoding="utf8") for path in site.rglob("*.css")]
    assert styles
    assert not [url for style in styles for url in re.findall(r"url\([\"']?https?://[^)]+", style)]


def test_links_to_other_sites_are_encrypted():
    """Whether they lead somewhere is not asked: no test uses the network."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    text = "".join(page.read_text(encoding="utf8") for page in pages)
    assert re.findall(r"\]\((http://[^)]+)\)", text) == []


def test_every_command_and_every_registered_name_is_in_the_reference(site, entries):
    commands = (site / "reference" / "cli.html").read_text(encoding="utf8")
    for name, command in typer.main.get_command(app).commands.items():
        assert f'id="{name}"' in commands
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.name.upper()
            assert f"<code>{shown}</code>" in commands, f"{name} {shown}"
            assert parameter.help, f"{name} {shown} has no help text"
    names = (site / "reference" / "config.html").read_text(encoding="utf8")
    assert len(entries) > 30
    for entry in entries:
        assert f'id="{entry.name}"' in names


def test_every_setting_has_a_meaning(entries):
    missing = [f"{entry.name}: {field.name}" for entry in entries for field in entry.settings if not field.meaning]
    assert missing == []
    assert [entry.name for entry in entries if not entry.prose] == []


def test_docstrings_are_shown_as_tables(site):
    page = (site / "reference" / "api.html").read_text(encoding="utf8")
    # No line of our form is left as text.
    assert "RETURNS (" not in page
    assert "RAISES (" not in page
    assert page.count("Returns:") > 20
