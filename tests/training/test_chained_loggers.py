"""Other loggers beside ours, in spaCy's chain: what they get, and that they change nothing."""

import json
import random

import numpy as np
import pytest
import spacy
import torch
from spacy.util import registry
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.fingerprints import path_digest
from spacy_crossner.training.log import read_log

from ..configs.stages import CONFIGS

RECEIVED = []


@registry.loggers("test_chain.Recorder.v1")
def create_recorder(draws=False):
    """Make a logger that keeps what it gets, and may draw random numbers at an evaluation."""

    def setup(nlp, stdout, stderr):
        def log_step(info):
            RECEIVED.append(info and {**info, "losses": dict(info["losses"])})
            if draws and info:
                random.random()
                np.random.rand()  # noqa: NPY002
                torch.rand(1)

        return log_step, lambda: RECEIVED.append("end")

    return setup


@pytest.fixture
def train(tmp_path, annotated_docs, tiny_encoder):
    """Give a function that runs `train` with our logger and another one; it returns the output folder and the text."""
    write_docbin(annotated_docs(spacy.blank("en")), tmp_path / "train.spacy")
    RECEIVED.clear()

    def run(name, steps=4, **logger):
        settings = {"paths.train": tmp_path / "train.spacy", "paths.dev": tmp_path / "train.spacy"}
        settings |= {"paths.encoder": tiny_encoder, "training.max_steps": steps, "training.eval_frequency": 2}
        chain = {"logger1": {"@loggers": "spacy_crossner.TermLogger.v1"}, "logger2": logger}
        settings["training.logger"] = json.dumps({"@loggers": "spacy.ChainLogger.v1", **chain})
        words = ["train", CONFIGS / "crf.cfg", "--output", tmp_path / name]
        for setting, value in settings.items():
            words += [f"--{setting}", value]
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.output
        return tmp_path / name, result.output

    return run


def test_another_logger_gets_our_terms_and_scores(train):
    output, printed = train("out", **{"@loggers": "test_chain.Recorder.v1"})
    assert printed.count("LOSS NER.NLL") == 1
    # Each step; the evaluation at step 0 is left out, and no scores of it are given.
    assert [info["step"] if isinstance(info, dict) else info for info in RECEIVED] == [None, None, 2, None, 4, "end"]
    first, second = RECEIVED[2], RECEIVED[4]
    assert set(first["losses"]) == {"ner", "ner.nll"}
    assert first["other_scores"]["ents_per_type"].keys() <= {"person", "place", "thing"}
    rows = read_log(output)
    assert [row["step"] for row in rows] == [2, 4]
    for info, row in zip((first, second), rows, strict=True):
        assert info["losses"] == pytest.approx(row["losses"])
        assert info["score"] == pytest.approx(row["score"])


def test_a_logger_that_draws_random_numbers_changes_no_weight(train):
    weights = []
    for draws in (False, True):
        output, _ = train(f"out-{draws}", steps=6, **{"@loggers": "test_chain.Recorder.v1", "draws": draws})
        weights.append(path_digest(output / "model-last" / "ner" / "model"))
    assert weights[0] == weights[1]


def test_mlflow_gets_them(train, tmp_path, monkeypatch):
    pytest.importorskip("mlflow.spacy", reason="needs mlflow")
    import mlflow

    models = []
    # It would find out the requirements of the model, in another process.
    monkeypatch.setattr(mlflow.spacy, "log_model", lambda nlp, name: models.append(nlp.pipe_names))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    output, _ = train("out", **{"@loggers": "spacy.MLflowLogger.v2"})
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert run.data.params["training.max_steps"] == "4"
    for name, values in (
        ("score", [row["score"] for row in read_log(output)]),
        ("loss_ner.nll", [row["losses"]["ner.nll"] for row in read_log(output)]),
    ):
        assert [each.value for each in client.get_metric_history(run.info.run_id, name)] == pytest.approx(values)
    assert models[0] == ["ner"]


def test_wandb_gets_them(train, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    output, _ = train("out", **{"@loggers": "spacy.WandbLogger.v5", "project_name": "test"})
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = path.read_bytes()
    assert b"loss_ner.nll" in content
    for row in read_log(output):
        for value in (row["losses"]["ner.nll"], row["score"]):
            # The values are written as text, with all their digits.
            assert f"{value:.9f}".rstrip("0")[:9].encode() in content
