"""setup.cfg declares what the package imports; constraints.txt has a version of each; assets have checksums."""

import ast
import re
import sys
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import srsly

ROOT = Path(__file__).parents[1]
# Files of CrossNER of which no copy is at hand to take the sum of: git alone checks them.
UNCHECKED = {f"literature/{split}.txt" for split in ("train", "dev", "test")}


def declared(*extras):
    """Return the distributions that setup.cfg names, the extras' among them."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf8")
    lines = config["options"]["install_requires"].splitlines()
    lines += [line for extra in extras for line in config["options.extras_require"][extra].splitlines()]
    return {normalised(re.split(r"[<>=!~\[; ]", line)[0]) for line in lines if line.strip()}


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder):
    """Return the top modules that the files of a folder import anywhere, by file."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found.update({name.partition(".")[0]: path.relative_to(ROOT) for name in names})
    own = {"spacy_crossner", "tests", *(path.stem for path in (ROOT / folder).rglob("*.py"))}
    return {name: path for name, path in found.items() if name not in own and name not in sys.stdlib_module_names}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("spacy_crossner", ["plots", "parquet"]),
        ("benchmarks", ["plots", "sample", "test"]),
        ("examples", ["serve"]),
        ("docs", ["docs"]),
        ("tests", ["sample", "test", "docs", "loggers"]),
    ],
)
def test_what_is_imported_is_declared(folder, extras):
    names, known = declared(*extras), packages_distributions()
    modules = imported(folder)
    assert modules
    missing = {
        module: str(path)
        for module, path in modules.items()
        if names.isdisjoint({normalised(name) for name in known.get(module, [module])})
    }
    assert missing == {}


def test_what_is_declared_has_a_version_that_the_tests_have_passed_with():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines()
    pinned = {normalised(line.partition("==")[0]) for line in lines if "==" in line}
    # Not every machine has the types of a checker.
    assert declared("sample", "plots", "parquet", "serve", "test", "docs", "dev") - pinned <= {"types-setuptools"}


def test_every_asset_has_a_checksum():
    listing = srsly.read_json(ROOT / "spacy_crossner" / "data" / "crossner.json")
    assert re.fullmatch("[0-9a-f]{40}", listing["commit"])
    sums = listing["sha256"]
    assert len(sums) == 18
    assert {name for name, digest in sums.items() if digest is None} <= UNCHECKED
    known = [digest for digest in sums.values() if digest]
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in known)
    assert len(known) == len(set(known))
