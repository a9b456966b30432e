"""What a kill leaves, which no `finally` tidies up: the next call ends as an unbroken one."""

import os
import signal
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.training import checkpoint, state
from spacy_crossner.training.train import train

from .stages import crf_config, different, results, run, write_config


def kill(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)


def train_until_killed(place, config, output):
    """Train, in a process of its own, until it is killed at a place."""
    save_file, rename = state.save_file, Path.rename

    def save_half(tensors, path):
        save_file(tensors, path)
        if "/.7.tmp/" in str(path):
            os.truncate(path, 100)
            kill()

    def rename_until(path, to):
        if path.name == ".model-best.tmp" and not to.exists() and (path.parent / ".model-best.old").exists():
            kill()
        return rename(path, to)

    if place == "in a checkpoint":
        state.save_file = save_half
    elif place == "between two renamings":
        Path.rename = rename_until
    elif place == "at the end":
        checkpoint.Checkpoints.remove = kill
    train(config, output)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_a_kill_at_any_place(corpus, tmp_path):
    config = crf_config(corpus)
    del config["training"]["before_update"]
    (tmp_path / "expected").mkdir()
    expected = run(config, tmp_path / "expected")
    path, output = write_config(config, tmp_path / "config.cfg"), tmp_path / "out"
    left = {
        "in a checkpoint": {"4", ".7.tmp"},
        "between two renamings": {"4", ".7.tmp"},
        "at the end": {"13"},
    }
    for place, names in left.items():
        # Forked: it has imported all that takes seconds.
        process = get_context("fork").Process(target=train_until_killed, args=(place, path, output))
        process.start()
        process.join(timeout=120)
        assert process.exitcode == -signal.SIGKILL
        assert {folder.name for folder in (output / "checkpoint").iterdir()} == names
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output)])
    assert "Training resumes after 13 steps" in result.output
    assert different(results(config, output), expected) == []
