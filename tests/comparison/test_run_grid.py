"""A grid is carried out by the steps of its project: nothing twice, whatever fails, within a budget."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import srsly

from spacy_crossner.comparison import run
from spacy_crossner.comparison.grid_run import GridRun, make_grid
from spacy_crossner.comparison.ledger import RUNS, Ledger
from spacy_crossner.comparison.run import LOCKED, run_grid
from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.locks import lock_path, only_writer

GRID = make_grid(["two"], ["crf", "laner"], ["ai"], [1, 2])
SEEDS = make_grid(["two"], ["crf"], ["ai"], [1, 2, 3])


def test_stages_are_shared_and_runs_are_done_once(project, counted):
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
    # Another run is carried out alone.
    list(run_grid(project, [*GRID, GridRun("one", "crf", "ai", 1)], project / "metrics" / "compare"))
    assert counted(project) == ["alone-1", "score"]


def test_a_run_says_what_it_was(project):
    before = datetime.now(UTC).replace(microsecond=0)
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
    assert (run["encoder"], run["variables"]) == ("small", {})
    assert (run["versions"], run["device"]) == ({"torch": "1"}, "cpu")
    assert run["key"] in Ledger(project / "out-compare").runs
    assert before <= datetime.fromisoformat(run["date"]) <= datetime.now(UTC)
    assert json.loads((project / "out-compare" / RUNS).read_text()) == run
    assert "source-crf" in (project / "out-compare" / "logs" / "source.log").read_text()


def test_a_run_says_which_variables_are_not_the_projects(project):
    variables = {"encoder": "large", "epochs": "5", "data": "data.txt"}
    (state,) = run_grid(project, GRID[:1], project / "c", variables=variables)
    assert (state.run["encoder"], state.run["variables"]) == ("large", {"encoder": "large"})
    (project / "more.txt").write_text("more data")
    grid_runs = make_grid(["two"], ["crf"], ["ai"], [1], variants=["data=more.txt"])
    (state,) = run_grid(project, grid_runs, project / "c", variables={"encoder": "large"})
    assert (state.run["encoder"], state.run["variables"]) == ("large", {"encoder": "large", "data": "more.txt"})


@pytest.mark.parametrize("change", ["data", "script", "variable"])
def test_other_data_or_commands_are_another_run(project, change, counted):
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


def test_outputs_that_something_else_has_changed_are_made_anew(project, counted):
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    (project / "out" / "crf" / "source" / "weights").write_text("what another command has left")
    list(run_grid(project, make_grid(["two"], ["crf"], ["ai"], [3]), project / "c"))
    assert counted(project) == ["source-crf", "target-3-0", "score"]


def test_a_grid_goes_on_past_a_run_that_fails_and_later_mends_it(project, counted):
    (project / "broken").write_text("target-1-0")
    states = list(run_grid(project, GRID, project / "c"))
    assert [bool(state.failure) for state in states] == [True, True, False, False]
    assert states[0].run == {}
    assert "C056" in states[0].failure
    assert "nasty surprise" in states[0].failure
    assert [state.done for state in states] == [1, 2, 3, 4]
    assert counted(project).count("score") == 2
    (project / "broken").unlink()
    states = list(run_grid(project, GRID, project / "c"))
    assert counted(project) == ["target-1-0", "score"] * 2
    assert [state.is_known for state in states] == [True, True, False, False]


def test_a_stage_that_failed_is_not_tried_again_for_the_next_run(project, counted):
    (project / "broken").write_text("source-crf")
    states = list(run_grid(project, make_grid(["two"], ["crf"], ["ai"], [1, 2, 3]), project / "c"))
    assert all(state.failure for state in states)
    assert counted(project) == ["source-crf"]


def test_a_budget_begins_no_run_that_it_does_not_reach(project):
    assert list(run_grid(project, GRID, project / "c", budget=0)) == []
    assert len(list(run_grid(project, GRID, project / "c", budget=1000))) == 4


def test_a_budget_knows_what_runs_share(project, monkeypatch):
    """The source stage takes 100 seconds of a clock that stands still otherwise; it is made once."""
    clock, run_for_real = [0.0], run.run_step

    def run_step(folder, step, logs):
        run_for_real(folder, step, logs)
        seconds = 100.0 if step.name == "source" else 1.0
        clock[0] += seconds
        return seconds, 1.0

    monkeypatch.setattr(run, "run_step", run_step)
    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    states = list(run_grid(project, SEEDS, project / "c", budget=106))
    assert [state.seconds_left for state in states] == [4, 2, 0]
    # Without a second for the last run it is not begun.
    assert len(list(run_grid(project, SEEDS, project / "d", budget=105))) == 2


def test_one_grid_at_a_time(project, counted):
    with only_writer(project / LOCKED), pytest.raises(CrossnerError, match="C064"):
        list(run_grid(project, GRID, project / "c"))
    assert counted(project) == []
    assert len(list(run_grid(project, GRID[:1], project / "c"))) == 1
    assert not lock_path(project / LOCKED).exists()


def test_one_grid_at_a_time_in_a_folder_of_results(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with only_writer(folder / LOCKED), pytest.raises(CrossnerError, match="C064"):
        list(run_grid(project, GRID, folder))
    # The project's own folder is locked once.
    assert len(list(run_grid(project, GRID[:1], project))) == 1
