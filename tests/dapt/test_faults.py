import math
import resource
import shutil

import pytest
import torch
from safetensors.torch import load_file

from spacy_crossner.dapt.adaptation import Adaptation
from spacy_crossner.dapt.train import adapt_encoder
from spacy_crossner.errors import CrossnerError


@pytest.mark.parametrize(
    ("content", "settings", "message"),
    [
        ("", {}, "C423"),
        ("ada met grace\nada met alan", {}, "C424|C432"),
        ("ada met grace in paris in the lab of arlington", {"held_out_text": "short.txt"}, r"C432.*short\.txt"),
        ("ada met grace", {"held_out_text": "long.txt"}, r"C424.*text\.txt"),
        ("ada met grace in paris in the lab of arlington", {}, "C424|C432"),
        ("ada " * 100, {"block_size": 65}, "C426.*64"),
        ("ada " * 100, {"block_size": 2}, "C426"),
        ("ada " * 100, {"accumulate": 7}, "C430"),
    ],
)
def test_what_cannot_be_trained_on_is_named(adapt, tiny_encoder, text, tmp_path, content, settings, message):
    text.write_text(content)
    (tmp_path / "short.txt").write_text("ada")
    (tmp_path / "long.txt").write_text("ada " * 100)
    if "held_out_text" in settings:
        settings = {"held_out_text": tmp_path / settings["held_out_text"]}
    with pytest.raises(CrossnerError, match=message):
        adapt(tiny_encoder, text, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_an_encoder_is_not_adapted_in_its_own_folder(adapt, still_encoder, text):
    before = sorted(path.name for path in still_encoder.iterdir())
    with pytest.raises(CrossnerError, match=r"C433.*still"):
        adapt(still_encoder, text, still_encoder.parent / "." / "still")
    assert sorted(path.name for path in still_encoder.iterdir()) == before


def test_a_gpu_that_is_not_there_is_named(dapt_settings, tiny_encoder, text, tmp_path):
    with pytest.raises(CrossnerError, match=r"C429.*99"):
        adapt_encoder(str(tiny_encoder), text, tmp_path / "out", settings=dapt_settings, gpu_id=99)


def test_an_output_that_is_a_file_is_named(adapt, tiny_encoder, text, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(CrossnerError, match=r"C092.*out is not replaced: it is a file"):
        adapt(tiny_encoder, text, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_training_that_diverges_says_so(adapt, tiny_encoder, text, tmp_path, monkeypatch):
    original = Adaptation.take_step

    def spoil(self, batch):
        original(self, batch)
        if self.step == 6:
            self.loss.fill_(math.nan)

    monkeypatch.setattr(Adaptation, "take_step", spoil)
    with pytest.raises(CrossnerError, match=r"C431.*step 6"):
        adapt(tiny_encoder, text, tmp_path / "out")


def spoil_weights(monkeypatch, step):
    """Let a weight be infinite after a step, as a gradient that is no number leaves it."""
    original = Adaptation.take_step

    def spoil(self, batch):
        original(self, batch)
        if self.step == step:
            with torch.no_grad():
                next(self.model.parameters()).fill_(math.inf)

    monkeypatch.setattr(Adaptation, "take_step", spoil)


@pytest.mark.parametrize(("step", "kept"), [(5, ["2", "4"]), (6, ["2", "4"]), (7, ["4", "6"]), (13, ["10", "12"])])
def test_diverged_weights_are_never_saved(
    adapt, older_run, weights_of, tiny_encoder, text, tmp_path, monkeypatch, step, kept
):
    shutil.copytree(older_run, tmp_path / "out")
    old = weights_of(tmp_path / "out")
    with monkeypatch.context() as patch:
        spoil_weights(patch, step)
        with pytest.raises(CrossnerError, match=r"C431.*at step \d+ .*--rate \(0.001"):
            adapt(tiny_encoder, text, tmp_path / "out")
    found = weights_of(tmp_path / "out")
    assert all(torch.equal(found[name], old[name]) for name in old)
    folder = tmp_path / "out" / "checkpoint"
    assert sorted(path.name for path in folder.iterdir()) == sorted(kept)
    for name in kept:
        saved = {
            **load_file(folder / name / "weights.safetensors"),
            **load_file(folder / name / "optimizer.safetensors"),
        }
        assert all(bool(torch.isfinite(tensor).all()) for tensor in saved.values())
    with pytest.raises(CrossnerError, match=r"C071.*C431"):
        adapt(tiny_encoder, text, tmp_path / "out")
    assert adapt(tiny_encoder, text, tmp_path / "out", rate=1e-4).resumed_from == 0
    assert not (tmp_path / "out" / "diverged.json").exists()


def test_the_step_that_diverged_is_named_whenever_it_is_found(adapt, tiny_encoder, text, tmp_path, monkeypatch):
    spoil_weights(monkeypatch, 6)
    with pytest.raises(CrossnerError, match=r"C431.*at step 7 the loss of the masked language model is"):
        adapt(tiny_encoder, text, tmp_path / "out", log_every=10, save_every=100, eval_every=100)


def test_a_full_disk_is_named_and_leaves_the_checkpoint_and_the_old_encoder(
    adapt, older_run, run_killed, weights_of, tiny_encoder, text, tmp_path
):
    shutil.copytree(older_run, tmp_path / "out")
    old = weights_of(tmp_path / "out")
    run_killed(5, tiny_encoder, text, tmp_path / "out")
    # No file may grow to the size of the weights: what the system says is all but what it says of a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(CrossnerError, match=r"C427.*out"):
            adapt(tiny_encoder, text, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "out" / "checkpoint").iterdir() if path.name.isdigit()]
    kept = weights_of(tmp_path / "out")
    assert all(torch.equal(kept[name], old[name]) for name in old)
    assert adapt(tiny_encoder, text, tmp_path / "out").resumed_from == 4
    assert not all(torch.equal(weights_of(tmp_path / "out")[name], old[name]) for name in old)
