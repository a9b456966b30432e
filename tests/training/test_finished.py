"""A finished stage is kept while it would be made of the same, and made anew when anything that it reads changes."""

import os
import shutil
from pathlib import Path

import pytest
import spacy
from safetensors.torch import load_file, save_file
from spacy.util import load_config

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.fingerprints import packages
from spacy_crossner.training import train as module
from spacy_crossner.training.train import train

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_encoder, annotated_docs):
    """Give a folder with a finished stage, `out`, and all that it was made of."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(tiny_encoder, folder / "encoder")
    write_docbin(annotated_docs(spacy.blank("xx")), folder / "train.spacy")
    (folder / "labels.json").write_text('["person", "place", "thing"]')
    config = load_config(CONFIGS / "crf.cfg", interpolate=False)
    config["initialize"]["components"]["ner"]["labels"] = {"@readers": "spacy.read_labels.v1", "path": "labels.json"}
    config.to_disk(folder / "config.cfg")
    before = Path.cwd()
    os.chdir(folder)
    try:
        run()
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def stage(finished, tmp_path, monkeypatch):
    """Give a copy of it, from which training is only called."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    calls = []
    monkeypatch.setattr(module, "run_training", lambda *args, **options: calls.append(args))
    return calls


def run(**options):
    overrides = {"paths.train": "train.spacy", "paths.dev": "train.spacy", "paths.encoder": "encoder"}
    train(Path("config.cfg"), Path("out"), epochs=0.1, evaluations=1, overrides=overrides, **options)


def test_nothing_changed(stage, capsys):
    run()
    assert not stage
    assert "out is up to date" in " ".join(capsys.readouterr().out.split())
    run(resume=False)
    assert len(stage) == 1


def add_one_weight():
    weights = load_file("encoder/model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] += 1
    save_file(weights, "encoder/model.safetensors", metadata={"format": "pt"})


def change_setting():
    path = Path("config.cfg")
    path.write_text(path.read_text().replace("[training]\n", "[training]\ndropout = 0.2\n"))


CHANGES = {
    "one weight of the encoder": (add_one_weight, "the content of encoder"),
    "a file that the config names": (lambda: Path("labels.json").write_text('["thing"]'), "the content of labels.json"),
    "a setting": (change_setting, "training.dropout"),
    "the data": (lambda: Path("train.spacy").write_bytes(Path("train.spacy").read_bytes() + b" "), "train.spacy"),
    "the result": (lambda: Path("out/model-best/meta.json").write_text("{}"), "out/model-best itself"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_and_trained_on(stage, capsys, monkeypatch, change):
    make, said = CHANGES[change]
    make()
    # The reading of the data is not what this is about.
    monkeypatch.setattr(module, "resolve_corpus", lambda *args: iter(()))
    monkeypatch.setattr(module, "count_batches", lambda *args: 3)
    run()
    assert len(stage) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "out is out of date. Changed since it was written: " in printed
    assert said in printed


def test_another_version_is_another_result(stage, capsys, monkeypatch):
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "99" if name == "torch" else real(name))
    run()
    assert len(stage) == 1
    assert "the version of torch" in " ".join(capsys.readouterr().out.split())
