import sys
from xml.etree import ElementTree

import pytest
import srsly

from spacy_crossner.comparison.curves import draw_curve, draw_overlap, draw_types
from spacy_crossner.comparison.grid import current_keys
from spacy_crossner.comparison.grid_run import GridRun
from spacy_crossner.comparison.ledger import FIELDS, Ledger
from spacy_crossner.comparison.tables import find_curves
from spacy_crossner.comparison.write import write_tables
from spacy_crossner.errors import CrossnerError


@pytest.fixture
def curve(make_run):
    """Give runs over numbers of sentences, in two domains."""
    return [
        make_run(setting, "crf", seed, 0.2 + n / 200 + seed / 50, sentences=n, domain=domain)
        for setting in ("direct", "a $b$ c")
        for n in (50, 10, 25)
        for seed in (1, 2)
        for domain in ("ai", "x_y")
    ]


def words(path):
    """Return the texts of an SVG, which matplotlib leaves beside their outlines as comments."""
    assert ElementTree.parse(path).getroot().tag.endswith("svg")
    return path.read_text()


def test_a_curve_is_drawn_over_sentences(runs, curve, tmp_path):
    lines = find_curves([*runs, *curve], {})["target_sentences"]
    files = draw_curve(lines, tmp_path / "figures" / "curve.png", "labelled $sentences$")
    assert [file.name for file in files] == ["curve.png", "curve.svg"]
    assert files[0].read_bytes().startswith(b"\x89PNG")
    text = words(files[1])
    assert all(f"<!-- {name} -->" in text for name in ("ai", "x_y", "direct crf", "test F1", "labelled $sentences$"))


def test_types_are_drawn_as_bars(runs, curve, tmp_path):
    text = words(draw_types([*runs, *curve], tmp_path / "types.png")[1])
    assert all(f"<!-- {name} -->" in text for name in ("place", "a|b", "no-dapt laner", "music"))
    assert "x_y" not in text
    assert draw_types(curve, tmp_path / "none.png") == []


def test_overlap_is_drawn_as_a_map(tmp_path):
    text = words(
        draw_overlap({("ai", "news"): 31.4, ("ai", "law"): 66.0, ("news", "law"): 12.0}, tmp_path / "o.png")[1]
    )
    assert text.count("<!-- 31 -->") == text.count("<!-- 66 -->") == 2
    assert text.count("<!-- 100 -->") >= 3
    assert draw_overlap({}, tmp_path / "none.png") == []


def test_a_grid_leaves_figures_where_they_can_be_drawn(runs, curve, tmp_path, monkeypatch):
    project = tmp_path / "project"
    project.mkdir()
    score = {
        "name": "score",
        "script": ["score ${vars.method} ${vars.domain} ${vars.seed} ${vars.target_sentences}"],
        "outputs": ["metrics/scores.json"],
    }
    workflows = {"direct": ["score"], "no-dapt": ["score"]}
    variables = {"method": "", "domain": "", "seed": 0, "target_sentences": 0}
    srsly.write_yaml(project / "project.yml", {"vars": variables, "workflows": workflows, "commands": [score]})
    # A setting that the project does not have is left out.
    runs = {GridRun(*(run[name] for name in FIELDS)): run for run in [*runs, *curve]}
    keys = current_keys(project, runs, {})
    assert len(keys) == 7 + 12
    Ledger(tmp_path).add_runs(*({**run, "key": keys.get(grid_run, "x")} for grid_run, run in runs.items()))
    names = {path.name for path in write_tables(tmp_path, project)}
    assert names >= {
        "tables.md",
        "scores.csv",
        "curve-target_sentences.csv",
        "types.csv",
        "cost.csv",
        "curve-target_sentences.png",
        "types.svg",
    }
    # Without matplotlib the tables are there.
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.warns(UserWarning, match="W003.*C209") as warned:
        assert {path.suffix for path in write_tables(tmp_path, project)} == {".md", ".csv"}
    assert len(warned) == 1
    with pytest.raises(CrossnerError, match="C209"):
        draw_types(list(runs.values()), tmp_path / "types.png")
