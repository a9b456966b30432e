"""The steps that a project takes for a run, what each reads and makes, and how long they will take."""

from pathlib import Path

import pytest
import srsly

from spacy_crossner.comparison.estimate import estimate_runs
from spacy_crossner.comparison.grid import Plan
from spacy_crossner.comparison.grid_run import GridRun, make_grid
from spacy_crossner.comparison.keys import grid_run_key, step_key
from spacy_crossner.comparison.project import Step, grid_run_steps
from spacy_crossner.errors import CrossnerError

GRID = make_grid(["two"], ["crf", "laner"], ["ai"], [1, 2])


def test_what_makes_no_score_is_an_error(project):
    with pytest.raises(CrossnerError, match=r"C054.*'three'.*two, one, none, any-method"):
        grid_run_steps(project, GridRun("three", "crf", "ai", 1), {})
    with pytest.raises(CrossnerError, match=r"C055.*'none'"):
        grid_run_steps(project, GridRun("none", "crf", "ai", 1), {})
    assert "package" not in [step.name for step in grid_run_steps(project, GRID[0], {})]


def test_domains_share_the_source_stage_of_the_project():
    """Its commands part what is the source's from what is a domain's, or each domain would be a source stage more."""
    project = Path(__file__).parents[2]
    plans = [
        Plan(grid_run, grid_run_steps(project, grid_run, {}), "")
        for grid_run in make_grid(["no-dapt"], ["crf"], ["ai", "law"], [1, 2])
    ]
    names = {step.name for plan in plans for step in plan.steps}
    latest = {**dict.fromkeys(names, 1.0), "train-no-dapt-1": 1000.0}
    first, *others = estimate_runs(plans, latest, lambda step: False, None)
    assert first > 1000
    assert all(seconds < 10 for seconds in others)


def test_runs_are_estimated_by_the_steps_that_are_new():
    def plan(seed, method):
        steps = [
            Step("convert", ["convert"], ["text"], ["corpus"]),
            Step("source", [f"source {method}"], ["corpus"], [f"{method}/source"]),
            Step("target", [f"target {method} {seed}"], ["corpus/train", f"{method}/source"], [f"{method}/target"]),
            Step("score", [f"score {method}"], [f"{method}/target"], [f"metrics/{method}"]),
        ]
        return Plan(GridRun("two", method, "ai", seed), steps, "")

    plans = [plan(1, "crf"), plan(2, "crf"), plan(2, "laner"), plan(1, "crf")]
    latest = {"convert": 1.0, "source": 100.0, "target": 10.0, "score": 2.0}
    assert estimate_runs(plans, latest, lambda step: False, None) == [113, 12, 112, 12]
    is_there = ["convert", "source crf", "target crf 1", "score crf"]
    assert estimate_runs(plans, latest, lambda step: step.script[0] in is_there, None) == [0, 12, 112, 12]
    # What lies there was made of what is made anew.
    assert estimate_runs(plans[:1], latest, lambda step: step.name == "score", None) == [113]
    del latest["source"]
    assert estimate_runs(plans, latest, lambda step: False, 50.0) == [50, 12, 50, 12]
    assert estimate_runs(plans, latest, lambda step: False, None)[0] is None


def test_the_project_always_runs_the_grid():
    """It would be passed over as unchanged when a budget has ended it."""
    config = srsly.read_yaml(Path(__file__).parents[2] / "project.yml")
    (command,) = (command for command in config["commands"] if command["name"] == "compare")
    assert not command.get("deps")
    assert not command.get("outputs")


def test_lines_that_make_something_of_their_own_are_steps_of_their_own(project):
    """So that runs share what the first line makes, each with what it reads; a script is one step otherwise."""
    config = srsly.read_yaml(project / "project.yml")
    lines = [
        "python stage.py first --output out/source data.txt",
        "python stage.py second-${vars.seed} --output out/${vars.method} out/source/weights",
    ]
    train = {
        "name": "train",
        "script": lines,
        "deps": ["data.txt"],
        "outputs": ["out/source/weights", "out/crf/weights"],
    }
    config["commands"].append(train)
    config["workflows"]["lines"] = ["train", "score"]
    srsly.write_yaml(project / "project.yml", config)
    first, second, score = grid_run_steps(project, GridRun("lines", "crf", "ai", 1), {})
    assert (first.name, first.script) == ("train-1", lines[:1])
    assert (first.deps, first.outputs) == (["data.txt"], ["out/source/weights"])
    assert (second.name, second.deps, second.outputs) == ("train-2", ["out/source/weights"], ["out/crf/weights"])
    assert score.name == "score"
    train["outputs"] = ["out/crf/weights"]
    srsly.write_yaml(project / "project.yml", config)
    both, _ = grid_run_steps(project, GridRun("lines", "crf", "ai", 1), {})
    assert (both.name, len(both.script)) == ("train", 2)


@pytest.mark.parametrize(
    ("project", "setting", "scores"),
    [
        (".", "all", "laner/dapt"),
        (".", "no-dapt", "laner/no-dapt"),
        (".", "direct", "laner/direct"),
        ("projects/papers/crossner", "joint", "laner/joint"),
        ("projects/papers/pdaln", "all", "laner/pdaln"),
        ("projects/papers/pdaln", "unsupervised", "laner-zero/pdaln"),
        ("projects/papers/moee", "all", "laner/zero"),
    ],
)
def test_the_scores_of_a_run_are_those_of_its_way(project, setting, scores):
    steps = grid_run_steps(Path(__file__).parents[2] / project, GridRun(setting, "laner", "ai", 1), {})
    assert [path for step in steps for path in step.scores] == [f"metrics/ai/{scores}.json"]


def test_pipelines_of_other_ways_are_no_input(tmp_path):
    """The folder of the ways is one that the project writes: what else lies in it does not make a run another one."""
    srsly.write_yaml(tmp_path / "project.yml", {"commands": [], "directories": ["training"]})
    for way in ("dapt", "direct"):
        (tmp_path / "training" / "ai" / way).mkdir(parents=True)
        (tmp_path / "training" / "ai" / way / "model-best").write_text(way)
    steps = [
        Step("train", ["train --output training/ai/dapt"], [], ["training/ai/dapt/model-best"]),
        Step("evaluate", ["evaluate training/ai --all"], ["training/ai"], ["metrics/ai"], ["metrics/ai/dapt.json"]),
    ]
    before = grid_run_key(tmp_path, "all", steps), step_key(tmp_path, steps[1])
    (tmp_path / "training" / "ai" / "direct" / "model-best").write_text("another")
    assert grid_run_key(tmp_path, "all", steps) == before[0]
    # But the step looks at it again.
    assert step_key(tmp_path, steps[1]) != before[1]
