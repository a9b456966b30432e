"""The grid on a project of small scripts, which count how often they run."""

import json

import pytest
import srsly
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.comparison.grid import Cell, cell_key, cell_steps, make_grid
from spacy_crossner.comparison.run import RUNS, Ledger, run_grid
from spacy_crossner.errors import CrossnerError

STAGE = """
import pathlib, sys
name, output, *deps = sys.argv[1:]
pathlib.Path("count.txt").open("a").write(name + "\\n")
if pathlib.Path("broken").exists() and name == pathlib.Path("broken").read_text():
    sys.exit("a nasty surprise")
path = pathlib.Path(output)
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(name + "".join(pathlib.Path(dep).read_text() for dep in deps))
"""
SCORE = """
import hashlib, json, pathlib, sys
model, output = sys.argv[1:]
text = pathlib.Path(model, "weights").read_text()
pathlib.Path("count.txt").open("a").write("score\\n")
f = int(hashlib.sha256(text.encode()).hexdigest(), 16) % 1000 / 1000
scores = {"strict": {"f": f, "p": f, "r": f, "per_type": {"place": {"f": f}}}, "conlleval": {"f": f}}
scores |= {"calibration": None, "words_per_second": 100.0, "data": {"sha256": "x"}, "versions": {}, "device": "cpu"}
scores |= {"model": {"path": model}, "per_sentence": [[1, 2, 2], [0, 1, 1]]}
pathlib.Path(model, "meta.json").write_text(json.dumps({"performance": {"ents_f": f / 2}}))
pathlib.Path(output).parent.mkdir(exist_ok=True)
pathlib.Path(output).write_text(json.dumps(scores))
"""
PROJECT = {
    "vars": {"method": "crf", "domain": "ai", "seed": 0, "target_sentences": 0, "data": "data.txt"},
    "workflows": {
        "two": ["source", "target", "score", "package"],
        "one": ["target-alone", "score"],
        "none": ["source"],
    },
    "commands": [
        {
            "name": "source",
            "script": ["python stage.py source-${vars.method} out/${vars.method}/source/weights ${vars.data}"],
            "deps": ["${vars.data}"],
            "outputs": ["out/${vars.method}/source"],
        },
        {
            "name": "target",
            "script": [
                "python stage.py target-${vars.seed}-${vars.target_sentences} "
                "out/${vars.method}/${vars.domain}/weights out/${vars.method}/source/weights"
            ],
            "deps": ["out/${vars.method}/source"],
            "outputs": ["out/${vars.method}/${vars.domain}/weights"],
        },
        {
            "name": "target-alone",
            "script": ["python stage.py alone-${vars.seed} out/${vars.method}/${vars.domain}/weights ${vars.data}"],
            "deps": ["${vars.data}"],
            "outputs": ["out/${vars.method}/${vars.domain}/weights"],
        },
        {
            "name": "score",
            "script": ["python score.py out/${vars.method}/${vars.domain} metrics/${vars.method}-${vars.domain}.json"],
            "deps": ["out/${vars.method}/${vars.domain}/weights"],
            "outputs": ["metrics/${vars.method}-${vars.domain}.json"],
        },
        {"name": "package", "script": ["python nothing.py"], "deps": [], "outputs": []},
    ],
}


@pytest.fixture
def project(tmp_path):
    srsly.write_yaml(tmp_path / "project.yml", PROJECT)
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "score.py").write_text(SCORE)
    (tmp_path / "data.txt").write_text("data")
    return tmp_path


def counted(project):
    """Return what has run since the last call."""
    path = project / "count.txt"
    found = path.read_text().split() if path.exists() else []
    path.write_text("")
    return found


GRID = make_grid(["two"], ["crf", "laner"], ["ai"], [1, 2])


def test_stages_are_shared_and_cells_are_done_once(project):
    states = list(run_grid(project, GRID, project / "metrics" / "compare"))
    assert [state.done for state in states] == [1, 2, 3, 4]
    assert states[-1].seconds_left == 0
    ran = counted(project)
    # Each method has one source stage, whatever came between.
    assert sorted(name for name in ran if name.startswith("source")) == ["source-crf", "source-laner"]
    assert ran.count("score") == 4
    again = list(run_grid(project, GRID, project / "metrics" / "compare"))
    assert counted(project) == []
    assert all(state.is_known for state in again)
    assert [state.run["test"] for state in again] == [state.run["test"] for state in states]
    # A cell more is a cell more.
    list(run_grid(project, [*GRID, Cell("one", "crf", "ai", 1)], project / "metrics" / "compare"))
    assert counted(project) == ["alone-1", "score"]


def test_a_run_says_what_it_was(project):
    (state,) = run_grid(project, GRID[:1], project / "out-compare")
    run = state.run
    assert {key: run[key] for key in ("setting", "method", "domain", "seed", "sentences")} == {
        "setting": "two",
        "method": "crf",
        "domain": "ai",
        "seed": 1,
        "sentences": 0,
    }
    assert run["dev_f"] == pytest.approx(run["test"]["f"] / 2)
    assert set(run["stages"]) == {"source", "target", "score"}
    assert all(stage["seconds"] > 0 and stage["megabytes"] > 1 for stage in run["stages"].values())
    assert run["counts"] == [[1, 2, 2], [0, 1, 1]]
    assert json.loads((project / "out-compare" / RUNS).read_text()) == run
    assert "source-crf" in (project / "out-compare" / "logs" / "source.log").read_text()


@pytest.mark.parametrize("change", ["data", "script", "variable"])
def test_other_data_or_commands_are_another_run(project, change):
    variables = {}
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    if change == "data":
        (project / "data.txt").write_text("other data")
    elif change == "script":
        config = srsly.read_yaml(project / "project.yml")
        config["commands"][0]["script"][0] += " ${vars.data}"
        srsly.write_yaml(project / "project.yml", config)
    else:
        (project / "more.txt").write_text("more data")
        variables = {"data": "more.txt"}
    (state,) = run_grid(project, GRID[:1], project / "c", variables=variables)
    assert not state.is_known
    assert counted(project) == ["source-crf", "target-1-0", "score"]


def test_outputs_that_something_else_has_changed_are_made_anew(project):
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    (project / "out" / "crf" / "source" / "weights").write_text("what another command has left")
    list(run_grid(project, make_grid(["two"], ["crf"], ["ai"], [3]), project / "c"))
    assert counted(project) == ["source-crf", "target-3-0", "score"]


def test_a_grid_goes_on_where_it_was_broken_off(project):
    (project / "broken").write_text("target-2-0")
    with pytest.raises(CrossnerError, match=r"C056.*'target'.*nasty surprise"):
        list(run_grid(project, GRID, project / "c"))
    assert counted(project).count("score") == 2
    (project / "broken").unlink()
    states = list(run_grid(project, GRID, project / "c"))
    assert counted(project) == ["target-2-0", "score"] * 2
    assert [state.is_known for state in states] == [True, True, False, False]
    # A kill may cut the last line.
    text = (project / "c" / RUNS).read_text()
    (project / "c" / RUNS).write_text(text[:-20])
    assert len(Ledger(project / "c").runs) == 3


def test_a_budget_begins_no_cell_that_it_does_not_reach(project):
    assert list(run_grid(project, GRID, project / "c", budget=0)) == []
    assert len(list(run_grid(project, GRID, project / "c", budget=1000))) == 4


def test_what_makes_no_score_is_an_error(project):
    with pytest.raises(CrossnerError, match=r"C054.*'three'.*two, one, none"):
        cell_steps(project, Cell("three", "crf", "ai", 1), {})
    with pytest.raises(CrossnerError, match=r"C055.*'none'"):
        cell_steps(project, Cell("none", "crf", "ai", 1), {})
    assert "package" not in [step.name for step in cell_steps(project, GRID[0], {})]


def test_a_cell_is_known_by_what_it_begins_with(project):
    steps = cell_steps(project, GRID[0], {})
    before = cell_key(project, GRID[0], steps)
    list(run_grid(project, GRID[:1], project / "c"))
    # What its own steps have made is no part of it.
    assert cell_key(project, GRID[0], steps) == before
    assert cell_key(project, GRID[2], cell_steps(project, GRID[2], {})) != before


def test_the_command_writes_tables(project):
    options = ["--settings", "two,one", "--methods", "crf", "--seeds", "1,2", "-o", str(project / "c")]
    result = CliRunner().invoke(app, ["compare", str(project), *options])
    assert result.exit_code == 0, result.output
    assert "4/4" in result.output
    assert "left" in result.output
    text = (project / "c" / "tables.md").read_text()
    assert "| two | crf |" in text
    assert (project / "c" / "scores.csv").read_text().startswith("setting,method,")
    again = CliRunner().invoke(app, ["compare", str(project), *options, "--budget", "2h"])
    assert again.output.count("(known)") == 4
    broken = CliRunner().invoke(app, ["compare", str(project), *options, "--budget", "soon"])
    assert broken.exit_code == 1
    assert "C057" in broken.output
    few = CliRunner().invoke(app, ["compare", str(project), *options, "--sentences", "10", "--budget", "0s"])
    assert "4 of 4 cells are left" in few.output.replace("\n", " ")
