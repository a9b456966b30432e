"""The README's Python runs as it stands, and its tables name files that exist."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
SNIPPETS = [code for code in re.findall(r"```python\n(.*?)```", README, re.S) if "spacy.load" not in code]


@pytest.mark.parametrize("code", SNIPPETS)
def test_snippet_runs_and_learns(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "Ada" in capsys.readouterr().out


def test_snippets_are_found():
    assert SNIPPETS


def test_the_architecture_is_true():
    architecture = README.split("## Architecture")[1].split("\n## ")[0]
    names = set(re.findall(r"`([\w./]+(?:/|\.(?:py|cfg)))`", architecture))
    for name in names - {"component.py", "model.py", "head.py", "losses.py"}:
        assert (ROOT / name).exists() or (ROOT / "spacy_crossner" / name).exists(), name
    # No room and no method without its row.
    folders = [path for room in ("", "methods/") for path in (ROOT / "spacy_crossner" / room).iterdir()]
    folders = [path for path in folders if (path / "__init__.py").is_file()]
    assert len(folders) > 15
    for path in folders:
        assert {f"{path.name}/", f"spacy_crossner/methods/{path.name}/"} & names, path.name


def test_the_result_tables_are_those_of_the_runs():
    path = ROOT / "benchmarks" / "readme.py"
    spec = importlib.util.spec_from_file_location("readme", path)
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    tables = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf8"))["tables"]
    # Every table has its place, and every place its table.
    assert [place["name"] for place in readme.PLACE.finditer(README)] == list(tables)
    assert readme.fill(README, tables) == README, "run python benchmarks/readme.py"
