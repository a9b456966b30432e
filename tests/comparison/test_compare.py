"""The grid on a project of small scripts, which count how often they run."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import srsly
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.comparison.estimate import estimate_runs
from spacy_crossner.comparison.grid import Plan
from spacy_crossner.comparison.grid_run import GridRun, make_grid
from spacy_crossner.comparison.keys import grid_run_key, step_key
from spacy_crossner.comparison.ledger import RUNS, Ledger
from spacy_crossner.comparison.project import Step, grid_run_steps
from spacy_crossner.comparison.run import LOCKED, run_grid
from spacy_crossner.comparison.tables import percent
from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.locks import lock_path, only_writer

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
    "vars": {
        "method": "crf",
        "domain": "ai",
        "seed": 0,
        "target_sentences": 0,
        "data": "data.txt",
        "encoder": "small",
        "epochs": 5,
    },
    "workflows": {
        "two": ["source", "target", "score", "package"],
        "one": ["target-alone", "score"],
        "none": ["source"],
        "any-method": ["zero", "score-zero"],
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
        {
            "name": "zero",
            "script": ["python stage.py zero-${vars.seed} out/zero/weights ${vars.data}"],
            "deps": ["${vars.data}"],
            "outputs": ["out/zero/weights"],
        },
        {
            "name": "score-zero",
            "script": ["python score.py out/zero metrics/zero.json"],
            "deps": ["out/zero/weights"],
            "outputs": ["metrics/zero.json"],
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
SEEDS = make_grid(["two"], ["crf"], ["ai"], [1, 2, 3])


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
    list(run_grid(project, [*GRID, GridRun("one", "crf", "ai", 1)], project / "metrics" / "compare"))
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
    assert (run["encoder"], run["variables"]) == ("small", {})
    assert json.loads((project / "out-compare" / RUNS).read_text()) == run
    assert "source-crf" in (project / "out-compare" / "logs" / "source.log").read_text()


def test_a_run_says_which_variables_are_not_the_projects(project):
    variables = {"encoder": "large", "epochs": "5", "data": "data.txt"}
    (state,) = run_grid(project, GRID[:1], project / "c", variables=variables)
    assert (state.run["encoder"], state.run["variables"]) == ("large", {"encoder": "large"})
    (project / "more.txt").write_text("more data")
    cells = make_grid(["two"], ["crf"], ["ai"], [1], variants=["data=more.txt"])
    (state,) = run_grid(project, cells, project / "c", variables={"encoder": "large"})
    assert (state.run["encoder"], state.run["variables"]) == ("large", {"encoder": "large", "data": "more.txt"})


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


def test_what_a_command_names_is_part_of_a_run(project):
    encoder = project / "encoders" / "small"
    encoder.mkdir(parents=True)
    (encoder / "weights").write_text("1")
    (project / "take.py").write_text("")
    config = srsly.read_yaml(project / "project.yml")
    # No dependency, as it may as well be the name of a model; what is written is not read; nor is where all is.
    config["commands"][0]["script"].append("python take.py ${vars.encoder} --paths.log count.txt . " + "x" * 300)
    srsly.write_yaml(project / "project.yml", config)
    # The last makes the same source stage anew, so that what comes after it stays.
    for content, ran in (("1", ["source-crf", "target-1-0", "score"]), ("1", []), ("2", ["source-crf"])):
        (encoder / "weights").write_text(content)
        (state,) = run_grid(project, GRID[:1], project / "c", variables={"encoder": "encoders/small"})
        assert state.is_known is not bool(ran)
        assert counted(project) == ran
    # A cell more has the source stage that there is.
    list(run_grid(project, SEEDS[1:2], project / "c", variables={"encoder": "encoders/small"}))
    assert counted(project) == ["target-2-0", "score"]


def test_outputs_that_something_else_has_changed_are_made_anew(project):
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    (project / "out" / "crf" / "source" / "weights").write_text("what another command has left")
    list(run_grid(project, make_grid(["two"], ["crf"], ["ai"], [3]), project / "c"))
    assert counted(project) == ["source-crf", "target-3-0", "score"]


def test_a_grid_goes_on_past_a_cell_that_fails_and_later_mends_it(project):
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


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("no-such-program x", "no-such-program: No such file"),
        ("python score.py out/${vars.method}/${vars.domain} metrics/x.json {}", "is not as `spacy crossner evaluate`"),
        ("python score.py out/${vars.method}/${vars.domain} metrics/x.json 1", "is not as `spacy crossner evaluate`"),
        ("python score.py out/${vars.method}/${vars.domain} metrics/x.json [", "is not as `spacy crossner evaluate`"),
    ],
)
def test_whatever_fails_is_a_cell_that_fails(project, script, problem):
    (project / "score.py").write_text(
        SCORE.replace("model, output = sys.argv[1:]", "model, output, *what = sys.argv[1:]")
        + "if what: pathlib.Path(output).write_text(what[0])\n"
    )
    config = srsly.read_yaml(project / "project.yml")
    config["commands"].append(
        {
            "name": "bad",
            "script": [script],
            "deps": ["out/${vars.method}/${vars.domain}"],
            "outputs": ["metrics/x.json"],
        }
    )
    config["workflows"]["wrong"] = ["target-alone", "bad"]
    srsly.write_yaml(project / "project.yml", config)
    code, output = compare(project, "--settings", "wrong,two")
    assert code == 1
    assert "1/2 wrong crf on ai, seed 1: failed: [C056]" in output
    assert problem in output
    assert "2/2 two crf on ai, seed 1: test F1" in output
    assert "| two | crf |" in (project / "c" / "tables.md").read_text()


def test_what_cannot_be_written_is_said_before_anything_runs(project):
    (project / "c").write_text("a file")
    code, output = compare(project)
    assert code == 1
    assert "C118]" in output
    (project / "c").unlink()
    (project / "c" / RUNS).mkdir(parents=True)
    code, output = compare(project)
    assert code == 1
    assert "C101]" in output
    assert counted(project) == []


def test_a_figure_that_cannot_be_written_leaves_the_tables(project):
    (project / "c" / "types.png").mkdir(parents=True)
    with pytest.warns(UserWarning, match="W003"):
        code, output = compare(project)
    assert code == 0, output
    assert "| two | crf |" in (project / "c" / "tables.md").read_text()


def test_words_that_are_folders_of_results_are_no_files(project):
    config = srsly.read_yaml(project / "project.yml")
    config["commands"][0]["script"][0] += " --drop metrics".replace("--drop ", "")
    (project / "metrics").mkdir()
    (project / "stage.py").write_text(STAGE.replace("for dep in deps)", "for dep in deps if dep != 'metrics')"))
    srsly.write_yaml(project / "project.yml", config)
    list(run_grid(project, SEEDS[:2], project / "c"))
    assert counted(project) == ["source-crf", "target-1-0", "score", "target-2-0", "score"]


def test_a_dependency_counts_without_what_is_made_in_it(project):
    for name in ("in/data.txt", "in/made"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    step = Step("source", ["python stage.py --data=in/data.txt"], ["in"], ["in/made"])
    keys = [(grid_run_key(project, "two", [step]), step_key(project, step))]
    for name in ("in/made", "in/data.txt"):
        (project / name).write_text("other")
        keys.append((grid_run_key(project, "two", [step]), step_key(project, step)))
    assert keys[0] == keys[1]
    assert all(one != two for one, two in zip(keys[1], keys[2], strict=True))
    # A file that an option names.
    step = Step("source", ["python stage.py --data=in/data.txt"], [], ["out"])
    before = step_key(project, step)
    (project / "in" / "data.txt").write_text("another")
    assert step_key(project, step) != before


def test_tables_of_an_earlier_time_do_not_stay(project):
    (project / "more.txt").write_text("more")
    compare(project, "--vary", "data=more.txt")
    mine = project / "c" / "notes.csv"
    mine.write_text("mine")
    assert (project / "c" / "variants.csv").is_file()
    for name in ("data.txt", "more.txt"):
        (project / name).write_text("other data")
    compare(project)
    assert not (project / "c" / "variants.csv").exists()
    assert mine.is_file()


def test_a_stage_that_failed_is_not_tried_again_for_the_next_cell(project):
    (project / "broken").write_text("source-crf")
    states = list(run_grid(project, make_grid(["two"], ["crf"], ["ai"], [1, 2, 3]), project / "c"))
    assert all(state.failure for state in states)
    assert counted(project) == ["source-crf"]


def test_what_is_no_run_is_passed_over(project):
    list(run_grid(project, GRID, project / "c"))
    text = (project / "c" / RUNS).read_text()
    # A kill may cut the last line.
    (project / "c" / RUNS).write_text(text[:-20])
    assert len(Ledger(project / "c").runs) == 3
    (project / "c" / RUNS).write_bytes(text.encode() + b'12\nnull\n{"a": 1}\n\xff\n')
    assert len(Ledger(project / "c").runs) == 4
    assert b"\xff\n" in (project / "c" / RUNS).read_bytes()
    # U+2028 ends a line elsewhere.
    ledger = Ledger(project / "c")
    run = next(iter(ledger.runs.values()))
    ledger.add_runs({**run, "key": "new", "test": {**run["test"], "per_type": {"a\u2028b\x85c": 1.0}}})
    assert Ledger(project / "c").runs == ledger.runs


@pytest.mark.parametrize("content", [b'{"out/crf/source": {"key', b"[1]", b'{"out/crf/source": 3}', b"\xff"])
def test_without_notes_of_stages_they_are_made_anew(project, content):
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    (project / "c" / "stages.json").write_bytes(content)
    list(run_grid(project, SEEDS[:2], project / "c"))
    assert counted(project) == ["source-crf", "target-2-0", "score"]


def test_runs_of_another_grid_are_taken_over(project):
    list(run_grid(project, SEEDS[:2], project / "c"))
    # As it was written before there were variants.
    path = project / "c" / RUNS
    path.write_text(path.read_text().replace(', "variant": ""', ""))
    assert '"variant"' not in path.read_text()
    counted(project)
    (project / "none.jsonl").write_text('{"key": ["a"], "test": 3}\n{"key": "a"}\n')
    states = list(run_grid(project, SEEDS[1:], project / "d", known=[project / "none.jsonl", path]))
    assert [(state.grid_run.seed, state.is_known) for state in states] == [(2, True), (3, False)]
    # What is no cell of it stays where it is.
    assert [run["seed"] for run in Ledger(project / "d").runs.values()] == [2, 3]
    assert all(state.is_known for state in run_grid(project, SEEDS[1:], project / "d"))
    # Its stages are not noted in the other folder.
    assert counted(project) == ["source-crf", "target-3-0", "score"]


def test_a_budget_begins_no_cell_that_it_does_not_reach(project):
    assert list(run_grid(project, GRID, project / "c", budget=0)) == []
    assert len(list(run_grid(project, GRID, project / "c", budget=1000))) == 4


def slow_down(project, name, seconds):
    """Let a step take longer."""
    config = srsly.read_yaml(project / "project.yml")
    (command,) = (command for command in config["commands"] if command["name"] == name)
    (project / "wait.py").write_text("import pathlib, time\npathlib.Path('waits').touch()\n")
    with (project / "wait.py").open("a") as handle:
        handle.write(f"time.sleep({seconds})\npathlib.Path('waited').touch()\n")
    command["script"].insert(0, "python wait.py")
    srsly.write_yaml(project / "project.yml", config)


def test_a_budget_knows_what_cells_share(project):
    slow_down(project, "source", 4)
    grid = make_grid(["two"], ["crf"], ["ai"], [1, 2, 3])
    states = list(run_grid(project, grid, project / "c", budget=8))
    assert len(states) == 3
    assert states[0].seconds_left < 4


def test_cells_are_estimated_by_the_steps_that_are_new():
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


def test_domains_share_the_source_stage_of_the_project():
    """Its commands part what is the source's from what is a domain's, or each domain would be a source stage more."""
    project = Path(__file__).parents[2]
    plans = [
        Plan(cell, grid_run_steps(project, cell, {}), "")
        for cell in make_grid(["no-dapt"], ["crf"], ["ai", "law"], [1, 2])
    ]
    names = {step.name for plan in plans for step in plan.steps}
    latest = {**dict.fromkeys(names, 1.0), "pretrain": 1000.0}
    first, *others = estimate_runs(plans, latest, lambda step: False, None)
    assert first > 1000
    assert all(seconds < 10 for seconds in others)


def test_one_grid_at_a_time(project):
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_step_ends_with_the_grid(project, number):
    slow_down(project, "source", 3)
    words = [sys.executable, "-m", "spacy", "crossner", "compare", str(project), "-o", str(project / "c")]
    words += ["--settings", "two", "--methods", "crf", "--seeds", "1"]
    # Where tests run in the background their processes would pass over an interrupt.
    handler = signal.signal(number, signal.SIG_DFL)
    # In a group of its own: the signal is for the grid alone.
    with subprocess.Popen(words, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        signal.signal(number, handler)
        until = time.monotonic() + 60
        while not (project / "waits").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
    assert process.returncode != 0
    time.sleep(4)
    assert not (project / "waited").exists()


def test_what_makes_no_score_is_an_error(project):
    with pytest.raises(CrossnerError, match=r"C054.*'three'.*two, one, none, any-method"):
        grid_run_steps(project, GridRun("three", "crf", "ai", 1), {})
    with pytest.raises(CrossnerError, match=r"C055.*'none'"):
        grid_run_steps(project, GridRun("none", "crf", "ai", 1), {})
    assert "package" not in [step.name for step in grid_run_steps(project, GRID[0], {})]


def test_a_cell_is_known_by_what_it_begins_with(project):
    steps = grid_run_steps(project, GRID[0], {})
    before = grid_run_key(project, "two", steps)
    list(run_grid(project, GRID[:1], project / "c"))
    # What its own steps have made is no part of it.
    assert grid_run_key(project, "two", steps) == before
    assert grid_run_key(project, "two", grid_run_steps(project, GRID[2], {})) != before


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
    options[1] = "two"
    few = CliRunner().invoke(app, ["compare", str(project), *options, "--sentences", "10", "--budget", "0s"])
    assert "2 of 2 cells are left" in few.output.replace("\n", " ")


def compare(project, *options):
    """Run the command on a grid of one cell, or what options make of it."""
    words = ["--settings", "two", "--methods", "crf", "--seeds", "1", "-o", str(project / "c"), *options]
    result = CliRunner().invoke(app, ["compare", str(project), *words])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "one"], "C059] --seeds one:"),
        (["--sentences", "-5"], "C059] --sentences -5:"),
        (["--methods", ""], "C061] --methods is"),
        (["--settings", " , "], "C061] --settings is"),
        (["--var", "epochs"], "C060] --var epochs:"),
        (["--var", "nothing=3"], "C062] No variable 'nothing'"),
        (["--var", "method=laner"], "C062] No variable 'method'"),
        (["--settings", "one", "--sentences", "10"], "C063] The workflow 'one' does the same whatever --sentences"),
        (["--vary", "epochs=6"], "C063] The workflow 'two' does the same whatever --vary is, which is epochs=6"),
        (["--vary", "data"], "C060] --vary data:"),
        (["--vary", "nothing=3"], "C062] No variable 'nothing' to set with --var or --vary"),
        (["--vary", "seed=3"], "C062] No variable 'seed'"),
        (["--vary", "data=other.txt"], "C066] No "),
        (["--known", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--vary", 'data=a "b" c'], "C067]"),
        (["--vary", "data=it's"], "C067]"),
        (["--sentences", "10", "--vary", "epochs=6"], "whatever --vary is"),
        (
            ["--settings", "two,any-method", "--methods", "crf,laner"],
            "'any-method' does the same whatever --methods",
        ),
    ],
)
def test_options_that_say_nothing_are_errors(project, options, message):
    code, output = compare(project, *options)
    assert code == 1
    assert message in output
    assert counted(project) == []


def test_one_method_is_right_for_any_workflow(project):
    code, output = compare(project, "--settings", "any-method")
    assert code == 0, output


def test_the_command_goes_on_past_a_cell_that_fails(project):
    (project / "broken").write_text("target-1-0")
    code, output = compare(project, "--seeds", "1,2")
    assert code == 1
    assert "1/2 two crf on ai, seed 1: failed: [C056]" in output
    assert "2/2 two crf on ai, seed 2: test F1" in output
    assert "C065] 1 of 2 cells have failed" in output
    assert "| two | crf |" in (project / "c" / "tables.md").read_text()


def test_variants_are_cells_beside_the_project_as_it_is(project):
    for name in ("2", "3"):
        (project / f"data{name}.txt").write_text(name)
    srsly.write_yaml(
        project / "project.yml", {**PROJECT, "vars": {**PROJECT["vars"], "data": "data${vars.of}.txt", "of": ""}}
    )
    code, output = compare(project, "--seeds", "1,2", "--vary", "of=2", "--vary", "of=", "--vary", "of=3")
    assert code == 0, output
    assert "6/6 two crf on ai, of=3, seed 2: test F1" in output
    assert counted(project).count("source-crf") == 3
    text = (project / "c" / "tables.md").read_text()
    assert "| two | crf | ai | of=2 |" in text
    assert "## Test F1 over of" in text
    assert len(scores_in_table(project)) == 1
    assert compare(project, "--seeds", "1,2", "--vary", "of=2")[1].count("(known)") == 4
    # With a variable for all cells the variant is the project as it is, and its run that of the same commands.
    code, output = compare(project, "--seeds", "1,2", "--var", "of=2", "--vary", "of=2.0", "--vary", "of=3")
    assert code == 0, output
    assert "4/4" in output
    assert output.count("(known)") == 4
    text = (project / "c" / "variants.csv").read_text()
    assert "of=3" in text
    assert "of=2" not in text
    assert text.count(",,") == 1
    first, *_ = (project / "c" / "curve-of.csv").read_text().splitlines()
    assert first.endswith(",2,3")


CORPORA = """
import pathlib, sys
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from spacy_crossner.annotations.domains import set_domain
for domain, words in (("ai", sys.argv[1]), ("news", "old")):
    doc = Doc(Vocab(), [words, "words"])
    set_domain(doc, domain)
    path = pathlib.Path("corpus", domain, "train.spacy")
    path.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
"""


def test_vocabularies_are_drawn_of_the_project_as_it_is(project):
    (project / "corpora.py").write_text(CORPORA)
    outputs = ["corpus/ai", "corpus/news"]
    corpora = {"name": "corpora", "script": ["python corpora.py ${vars.words}"], "deps": [], "outputs": outputs}
    config = {**PROJECT, "vars": {**PROJECT["vars"], "source": "news", "words": "new"}}
    config["workflows"] = {"two": ["corpora", *PROJECT["workflows"]["two"]]}
    config["commands"] = [corpora, *PROJECT["commands"]]
    srsly.write_yaml(project / "project.yml", config)
    compare(project)
    assert "<!-- 50 -->" in (project / "c" / "overlap.svg").read_text()
    # What lies there is of other words.
    config["vars"]["words"] = "old"
    srsly.write_yaml(project / "project.yml", config)
    compare(project, "--budget", "0")
    assert not (project / "c" / "overlap.svg").exists()
    compare(project)
    assert "<!-- 100 -->" in (project / "c" / "overlap.svg").read_text()


def test_results_lie_in_the_project(project):
    result = CliRunner().invoke(app, ["compare", str(project), "--settings", "two", "--methods", "crf", "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert (project / "metrics" / "compare" / RUNS).is_file()


def scores_in_table(project):
    """Return the rows of the table of scores."""
    return [line.split(",") for line in (project / "c" / "scores.csv").read_text().splitlines()[1:]]


@pytest.mark.parametrize("change", ["data", "variable"])
def test_runs_of_other_data_are_not_in_the_tables(project, change):
    # Three seeds and another cell on the old data.
    compare(project, "--seeds", "1,2,3", "--settings", "two,one")
    assert len(scores_in_table(project)) == 2
    options = []
    if change == "data":
        (project / "data.txt").write_text("other data")
    else:
        (project / "more.txt").write_text("more data")
        options = ["--var", "data=more.txt"]
    compare(project, "--seeds", "1,2", *options)
    runs = list(Ledger(project / "c").runs.values())
    assert len(runs) == 8
    ((setting, method, test, _),) = scores_in_table(project)
    assert (setting, method) == ("two", "crf")
    assert test == percent([run["test"]["f"] for run in runs[-2:]])
    # Other cells on the same data are.
    compare(project, "--settings", "one", *options)
    assert [row[0] for row in scores_in_table(project)] == ["two", "one"]


def test_the_baseline_is_the_first_of_the_command(project):
    compare(project, "--settings", "one")
    compare(project, "--settings", "two,one")
    assert "Better than two crf, the baseline: `*` p < 0.05" in (project / "c" / "tables.md").read_text()


def test_the_project_always_runs_the_grid():
    """It would be passed over as unchanged when a budget has ended it."""
    config = srsly.read_yaml(Path(__file__).parents[2] / "project.yml")
    (command,) = (command for command in config["commands"] if command["name"] == "compare")
    assert not command.get("deps")
    assert not command.get("outputs")
