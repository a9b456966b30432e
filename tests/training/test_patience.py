"""Early stopping with `--training.patience`, beside the schedule of the learning rate."""

import json

import pytest
import spacy
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training import run as run_module
from spacy_crossner.training import train as train_module
from spacy_crossner.training.log import read_log

from ..configs.stages import CONFIGS

# Dev scores at steps 0, 3, 6 and so on. At first, the one at step 3 is the best; the same score later is no rise.
SCORES = [0.2, 0.5, 0.4, 0.45, 0.5, 0.3, 0.9, 0.9, 0.8]
BATCHES = 3


@pytest.mark.parametrize(("patience", "steps"), [(0, 24), (7, 10), (9, 12)])
def test_training_ends_when_the_score_has_not_risen_for_that_many_steps(
    patience, steps, tmp_path, annotated_docs, tiny_encoder, monkeypatch
):
    write_docbin(annotated_docs(spacy.blank("en")), tmp_path / "train.spacy")
    given = iter(SCORES)
    runs = []

    def create_evaluation(*args):
        def evaluate():
            score = next(given)
            return score, {"ents_f": score}

        return evaluate

    class Run(run_module.TrainingRun):
        def __init__(self, *args):
            super().__init__(*args)
            runs.append(self)

    monkeypatch.setattr(run_module, "create_evaluation_callback", create_evaluation)
    monkeypatch.setattr(train_module, "TrainingRun", Run)
    words = ["train", CONFIGS / "crf.cfg", "--output", tmp_path / "out", "--epochs", 24 / BATCHES, "--evaluations", 8]
    words += ["--training.patience", patience, "--paths.encoder", tiny_encoder]
    # The evaluation at step 0 has a score of its own here.
    words += ["--training.before_update.skip", "false", "--training.optimizer.warmup", 0.0]
    for name in ("train", "dev"):
        words += [f"--paths.{name}", tmp_path / "train.spacy"]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    (run,) = runs
    assert run.batches.drawn - 1 == steps
    log = read_log(tmp_path / "out")
    assert [row["step"] for row in log] == list(range(0, steps + 1, 3))
    best = json.loads((tmp_path / "out" / "model-best" / "meta.json").read_text())["performance"]["ents_f"]
    assert best == max(row["score"] for row in log)
    # The schedule is that of the full length: it falls to 0 at step 24, and not at the step where training ends.
    assert run.optimizer.total_steps == 24
    rest = max(0, 24 - run.optimizer.step) / 23
    assert run.optimizer.learn_rate == pytest.approx(run.optimizer.peaks[False] * rest)
    assert (rest > 0) == (steps < 24)
