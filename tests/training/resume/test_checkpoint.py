"""When a checkpoint is used: not one that is damaged, or of another config or other data."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.errors import CrossnerError
from spacy_crossner.fingerprints import RECORD
from spacy_crossner.training import train as module
from spacy_crossner.training.log import LOG
from spacy_crossner.training.train import train

from .stages import (
    CRF,
    STOPS,
    Stopped,
    crf_config,
    different,
    read_files,
    results,
    run,
    stopped,
    thinc_config,
    write_config,
)


def test_a_finished_stage_leaves_no_checkpoint(corpus, stopped_crf, tmp_path):
    _, output = stopped_crf
    assert [path.name for path in (output / "checkpoint").iterdir()] == ["7"]
    run(crf_config(corpus), tmp_path)
    assert {path.name for path in output.iterdir()} == {"model-best", "model-last", RECORD, LOG}


def test_a_checkpoint_holds_no_pickle(corpus, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("pickled")

    for place, name in ((torch, "save"), (torch, "load"), (pickle, "dump"), (pickle, "dumps"), (pickle, "loads")):
        monkeypatch.setattr(place, name, fail)
    _, output = stopped(thinc_config(corpus), tmp_path, 8)
    (folder,) = (output / "checkpoint").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"weights.safetensors", "optimizer.safetensors", "state.msgpack", "manifest.json", "best"}
    run(thinc_config(corpus), tmp_path)


def begin(path, output, capsys, **options):
    """Start a stage and stop it before its first step; return what was printed."""
    capsys.readouterr()
    STOPS.add(0)
    with pytest.raises(Stopped):
        train(path, output, **options)
    printed = " ".join(capsys.readouterr().out.split())
    assert "resumes after" not in printed
    return printed


CHANGES = {
    "setting": ({"training.dropout": 0.2}, "training.dropout"),
    "seed": ({"training.seed": 5}, "training.seed"),
    "length": ({"training.max_steps": 14}, "training.max_steps"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_config_starts_from_the_beginning(change, stopped_crf, capsys):
    overrides, name = CHANGES[change]
    path, output = stopped_crf
    printed = begin(path, output, capsys, overrides=overrides)
    assert (
        f"Training starts from the beginning. Changed since the checkpoint in {output}/checkpoint/7: {name}" in printed
    )


def test_the_checkpoint_of_another_config_leaves_no_trace(stopped_crf, tmp_path):
    path, output = stopped_crf
    overrides, _ = CHANGES["setting"]
    train(path, tmp_path / "expected", overrides=overrides)
    train(path, output, overrides=overrides)
    assert read_files(output) == read_files(tmp_path / "expected")


def test_other_data_starts_from_the_beginning(corpus, tmp_path, capsys):
    for name in ("train.spacy", "dev.spacy"):
        shutil.copy(corpus / name, tmp_path / name)
    stopped(crf_config(tmp_path), tmp_path, 8)
    # The same name, time and size would not give it away.
    shutil.copy(corpus / "dev.spacy", tmp_path / "train.spacy")
    capsys.readouterr()
    found = run(crf_config(tmp_path), tmp_path)
    assert f"the content of {tmp_path}/train.spacy" in " ".join(capsys.readouterr().out.split())
    assert found == run(crf_config(tmp_path), tmp_path)


def test_no_resume_starts_from_the_beginning(corpus, unbroken, stopped_crf):
    path, output = stopped_crf
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output), "--no-resume"])
    assert result.exit_code == 0
    assert "resumes after" not in result.output
    assert different(results(crf_config(corpus), output), unbroken(crf_config)) == []


def test_the_command_says_that_it_goes_on(stopped_crf):
    path, output = stopped_crf
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output)])
    assert "Training resumes after 7 steps" in result.output


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("weights.safetensors", flip),
        ("state.msgpack", cut),
        ("manifest.json", cut),
        ("manifest.json", Path.unlink),
        ("best/ner/model", Path.unlink),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(name, damage, stopped_crf, capsys):
    path, output = stopped_crf
    damage(output / "checkpoint" / "7" / name)
    assert "Training starts from the beginning" in begin(path, output, capsys)


def test_a_damaged_checkpoint_leaves_no_trace(corpus, unbroken, stopped_crf, tmp_path):
    _, output = stopped_crf
    flip(output / "checkpoint" / "7" / "weights.safetensors")
    assert different(run(crf_config(corpus), tmp_path), unbroken(crf_config)) == []


def test_an_older_checkpoint_takes_the_place_of_a_damaged_one(corpus, unbroken, stopped_crf, tmp_path, capsys):
    config = crf_config(corpus)
    (tmp_path / "older").mkdir()
    _, older = stopped(config, tmp_path / "older", 5)
    _, output = stopped_crf
    shutil.copytree(older / "checkpoint" / "4", output / "checkpoint" / "4")
    flip(output / "checkpoint" / "7" / "optimizer.safetensors")
    (output / "checkpoint" / ".10.tmp").mkdir()
    capsys.readouterr()
    found = run(config, tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"[C021] The checkpoint {output}/checkpoint/7 is damaged and is skipped: optimizer.safetensors" in printed
    assert "was not complete when training was stopped" in printed
    assert f"Training resumes after 4 steps from the checkpoint in {output}/checkpoint/4" in printed
    assert different(found, unbroken(crf_config)) == []


def test_a_checkpoint_that_does_not_fit_is_an_error(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "take_fingerprint", lambda *args, **options: {})
    config = crf_config(corpus)
    stopped(config, tmp_path, 8)
    wider = crf_config(corpus)
    wider["components"]["ner"] = json.loads(json.dumps(CRF).replace('"width": 16', '"width": 18'))
    path = write_config(wider, tmp_path / "wider.cfg")
    with pytest.raises(CrossnerError, match=r"C020.*checkpoint/7.*shape of 'ner/.*--no-resume"):
        train(path, tmp_path / "out")
    train(path, tmp_path / "out", resume=False)
