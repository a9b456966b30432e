"""The files around the code agree with it: versions, and the targets of the Makefile that they name."""

import re
from pathlib import Path

import pytest
import srsly

import spacy_crossner

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M))


def read(name):
    return (ROOT / name).read_text(encoding="utf8")


def targets_in(command):
    """Return the targets of each `make` in a text; options and settings of variables are left out."""
    calls = re.findall(r"\bmake((?: [A-Za-z][\w=/.]*)+)", command)
    return {word for call in calls for word in call.split() if "=" not in word}


def steps_of(path):
    jobs = srsly.read_yaml(path)["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


def test_the_citation_is_of_this_version():
    citation = srsly.read_yaml(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == spacy_crossner.__version__
    assert len(citation["references"]) == 5
    for reference in citation["references"]:
        assert {"authors", "title", "year", "collection-title"} <= set(reference)


def test_the_changelog_has_this_version_and_its_date():
    headings = re.findall(r"^## \[(.+?)\](?: - (.+))?$", read("CHANGELOG.md"), re.M)
    released = str(srsly.read_yaml(ROOT / "CITATION.cff")["date-released"])
    assert headings[0] == ("Unreleased", "")
    assert headings[1] == (spacy_crossner.__version__, released)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_targets_that_exist_and_pins_its_actions(path):
    steps = steps_of(path)
    assert steps
    for step in steps:
        assert targets_in(step.get("run", "")) <= TARGETS
        if "uses" in step:
            assert re.search(r"@(v\d+|release/v\d+)$", step["uses"]), step["uses"]


def test_all_checks_run_on_linux():
    ran = set().union(*(targets_in(step.get("run", "")) for path in WORKFLOWS for step in steps_of(path)))
    assert {"lint", "types", "test", "wheel", "docs"} <= ran


def test_contributing_names_targets_that_exist():
    named = set().union(*(targets_in(code) for code in re.findall(r"`(make [^`]+)`", read("CONTRIBUTING.md"))))
    assert len(named) > 5
    assert named <= TARGETS


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_linked_files_exist(name):
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", read(name)) if not link.startswith("http")]
    assert all((ROOT / link).is_file() for link in links), links
    assert all((ROOT / file).exists() for file in re.findall(r"`((?:docs|tests|\.github)/[\w./-]+)`", read(name)))
