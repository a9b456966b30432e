"""The command `compare`: its options, its messages, where its results lie."""

import pytest
import srsly
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.comparison.ledger import RUNS


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
    assert "2 of 2 runs are not done" in few.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", "one"], "C059] --seeds one is"),
        (["--sentences", "-5"], "C059] --sentences -5 is"),
        (["--methods", ""], "C061] --methods is"),
        (["--settings", " , "], "C061] --settings is"),
        (["--var", "epochs"], "C060] --var epochs is"),
        (["--var", "nothing=3"], "C062] The project has no variable 'nothing'"),
        (["--var", "method=laner"], "C062] The project has no variable 'method'"),
        (["--settings", "one", "--sentences", "10"], "C063] The workflow 'one' does not depend on --sentences"),
        (["--vary", "epochs=6"], "C063] The workflow 'two' does not depend on --vary (epochs=6)"),
        (["--vary", "data"], "C060] --vary data is"),
        (["--vary", "nothing=3"], "C062] The project has no variable 'nothing' for --var or --vary"),
        (["--vary", "seed=3"], "C062] The project has no variable 'seed'"),
        (["--vary", "data=other.txt"], "C066] "),
        (["--known", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--vary", 'data=a "b" c'], "C067]"),
        (["--vary", "data=it's"], "C067]"),
        (["--sentences", "10", "--vary", "epochs=6"], "does not depend on --vary"),
        (
            ["--settings", "two,any-method", "--methods", "crf,laner"],
            "'any-method' does not depend on --methods",
        ),
    ],
)
def test_options_that_say_nothing_are_errors(project, options, message, counted, compare):
    code, output = compare(project, *options)
    assert code == 1
    assert message in output
    assert counted(project) == []


def test_one_method_is_right_for_any_workflow(project, compare):
    code, output = compare(project, "--settings", "any-method")
    assert code == 0, output


def test_the_command_goes_on_past_a_run_that_fails(project, compare):
    (project / "broken").write_text("target-1-0")
    code, output = compare(project, "--seeds", "1,2")
    assert code == 1
    assert "1/2 two crf on ai, seed 1: failed: [C056]" in output
    assert "2/2 two crf on ai, seed 2: test F1" in output
    assert "C065] 1 of 2 runs have failed" in output
    assert "| two | crf |" in (project / "c" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("no-such-program x", "no-such-program: No such file"),
        (
            "python score.py out/${vars.method}/${vars.domain} metrics/x.json {}",
            "does not have the format",
        ),
        (
            "python score.py out/${vars.method}/${vars.domain} metrics/x.json 1",
            "does not have the format",
        ),
        (
            "python score.py out/${vars.method}/${vars.domain} metrics/x.json [",
            "does not have the format",
        ),
    ],
)
def test_whatever_fails_is_a_run_that_fails(project, script, problem, compare):
    score = project / "score.py"
    score.write_text(
        score.read_text().replace("model, output = sys.argv[1:]", "model, output, *what = sys.argv[1:]")
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


def test_what_cannot_be_written_is_said_before_anything_runs(project, counted, compare):
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


def test_results_lie_in_the_project(project):
    result = CliRunner().invoke(app, ["compare", str(project), "--settings", "two", "--methods", "crf", "--seeds", "1"])
    assert result.exit_code == 0, result.output
    assert (project / "metrics" / "compare" / RUNS).is_file()
