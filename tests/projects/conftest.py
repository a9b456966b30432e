"""Fixtures for the tests of project.yml: copies of the projects, and their commands run in this process."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner
from weasel.cli import run as weasel_run
from weasel.util import split_command

from spacy_crossner.cli import app

ROOT = Path(__file__).parents[2]
OURS = ["python", "-m", "spacy", "crossner"]
# What makes each command quick: options with other values; None leaves an option out.
QUICK = {
    "train": {"--epochs": None, "--min-steps": None, "--training.max_steps": "2", "--training.eval_frequency": "2"},
    "cross-validate": {"--folds": "2", "--epochs": "0.1", "--min-steps": "2", "--seeds": "1"},
    "dapt": {
        "--epochs": None,
        "--max-steps": "2",
        "--head-steps": "1",
        "--block-size": "32",
        "--batch-size": "2",
    },
    "vectors": {"--min-count": "1", "--width": "8", "--buckets": "100", "--epochs": "1"},
}


def make_quick(words):
    """Return the words of a command with the options of `QUICK`."""
    words = list(words)
    for option, value in QUICK.get(words[len(OURS)], {}).items():
        if option in words:
            place = words.index(option)
            del words[place : place + 2]
        if value is not None:
            words += [option, value]
    return words


@pytest.fixture(scope="session")
def shorten():
    """Give a function that makes a command quick, see `QUICK`."""
    return make_quick


class Project:
    """A copy of a project. Calling it runs a command or workflow as `spacy project run` does, but in this process.

    folder (Path): its folder.
    """

    def __init__(self, folder, monkeypatch, **variables):
        self.folder = folder
        self.variables = variables
        self.ran = []
        self.monkeypatch = monkeypatch

    def __call__(self, name, **variables):
        """Return the exit code, and what was printed in one line."""
        self.ran, printed = [], []

        def run_commands(lines, **kwargs):
            for line in lines:
                words = split_command(line)
                assert words[: len(OURS)] == OURS
                self.ran.append(words[len(OURS)])
                result = CliRunner().invoke(app, make_quick(words)[len(OURS) :])
                printed.append(result.output)
                if result.exit_code:
                    assert isinstance(result.exception, SystemExit), result.exc_info
                    raise SystemExit(result.exit_code)

        overrides = {f"vars.{key}": value for key, value in {**self.variables, **variables}.items()}
        with self.monkeypatch.context() as patch:
            patch.setattr(weasel_run, "run_commands", run_commands)
            try:
                weasel_run.project_run(self.folder, name, overrides=overrides)
                code = 0
            except SystemExit as error:
                code = error.code
        return code, " ".join(" ".join(printed).split())


# Lines that are left of each file of the sample: a sentence each.
LINES = {"train.txt": 40, "dev.txt": 15, "test.txt": 12, "ai_raw.txt": 80}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Give the folder of a copy of the repository's projects and configs, and of the first lines of the sample."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("configs", "assets/sample", "projects"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "project.yml", folder)
    for path in (folder / "assets" / "sample").rglob("*.txt"):
        lines = path.read_text(encoding="utf8").splitlines(keepends=True)
        path.write_text("".join(lines[: LINES[path.name]]), encoding="utf8")
    return folder


@pytest.fixture(scope="module")
def make_project(repository, tiny_encoder):
    """Give a function that opens a project of the copy, with a tiny encoder where it has one."""
    with pytest.MonkeyPatch.context() as monkeypatch:

        def make(path="."):
            has_encoder = "encoder:" in (repository / path / "project.yml").read_text()
            variables = {"encoder": str(tiny_encoder)} if has_encoder else {}
            return Project(repository / path, monkeypatch, **variables)

        yield make
