"""Fixtures for the tests of the comparison: a project of small scripts, and lines as a grid leaves them."""

import pytest
import srsly
from typer.testing import CliRunner

from spacy_crossner.cli import app

# Each script counts how often it runs.
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
scores |= {"calibration": None, "words_per_second": 100.0, "data": {"sha256": "x"}, "device": "cpu"}
scores |= {"versions": {"torch": "1"}, "model": {"path": model}, "per_sentence": [[1, 2, 2], [0, 1, 1]]}
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


def build_run(setting, method, seed, f, *, domain="ai", sentences=0, variant="", right=None, source_seconds=100.0):
    return {
        "setting": setting,
        "method": method,
        "domain": domain,
        "seed": seed,
        "sentences": sentences,
        "variant": variant,
        "test": {"f": f, "per_type": {"place": f, "a|b": f / 2}, "words_per_second": 50.0},
        "dev_f": f - 0.01,
        "counts": None if right is None else ([[right, 4, 4], [right - 1, 4, 4]] * 216)[1:],
        "stages": {
            "source": {"seconds": source_seconds, "megabytes": 900},
            "target": {"seconds": 10.0 * seed, "megabytes": 700},
        },
    }


@pytest.fixture
def make_run():
    """Give a function that makes a run."""
    return build_run


@pytest.fixture
def runs():
    """Give three runs of two rows on ai, and one on music."""
    return [
        *(build_run("direct", "tagger", seed, 0.50 + seed / 100, right=2) for seed in (1, 2, 3)),
        *(build_run("no-dapt", "laner", seed, 0.56 + seed / 100, right=4) for seed in (1, 2, 3)),
        build_run("no-dapt", "laner", 1, 0.6, domain="music"),
    ]


@pytest.fixture
def project(tmp_path):
    """Give the folder of a project of small scripts."""
    srsly.write_yaml(tmp_path / "project.yml", PROJECT)
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "score.py").write_text(SCORE)
    (tmp_path / "data.txt").write_text("data")
    return tmp_path


@pytest.fixture
def counted():
    """Give a function that returns the scripts that have run in a project since it was last called."""

    def count(project):
        path = project / "count.txt"
        names = path.read_text().split() if path.exists() else []
        path.write_text("")
        return names

    return count


@pytest.fixture
def compare():
    """Give a function that runs the command on a grid of one run, or of those that its options make of it."""

    def run(project, *options):
        words = ["--settings", "two", "--methods", "crf", "--seeds", "1", "-o", str(project / "c"), *options]
        result = CliRunner().invoke(app, ["compare", str(project), *words])
        return result.exit_code, " ".join(result.output.split())

    return run


@pytest.fixture
def scores_in_table():
    """Give a function that returns the rows of the table of scores."""

    def read(project):
        return [line.split(",") for line in (project / "c" / "scores.csv").read_text().splitlines()[1:]]

    return read
