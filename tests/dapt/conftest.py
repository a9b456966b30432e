"""Runs of domain-adaptive pre-training on a tiny encoder, whole and killed."""

import json
import shutil
from dataclasses import replace

import pytest
import srsly
import torch
from safetensors.torch import load_file

from spacy_crossner.dapt.adaptation import Adaptation
from spacy_crossner.dapt.masking import Masking
from spacy_crossner.dapt.settings import DaptSettings
from spacy_crossner.dapt.train import adapt_encoder

SETTINGS = DaptSettings(
    max_steps=9,
    head_steps=4,
    block_size=16,
    batch_size=6,
    rate=1e-3,
    held_out=0.1,
    eval_every=4,
    save_every=2,
    log_every=2,
    precision="fp32",
)
STATISTICS = {"level": "integrated", "sentences": 60, "tokens": {"domain": 1234}, "files": ["a.txt", "b.txt"]}


class Killed(BaseException):
    """Ends a run as a kill does: nothing handles it."""


def write_text(folder):
    path = folder / "text.txt"
    lines = [f"ada met {a} in paris, the {b} works at {c} lab of {a}." for a in "abcdef" for b in "ghijk" for c in "lm"]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def run_dapt(encoder, text, output, *, masking=None, resume=True, held_out_text=None, **settings):
    return adapt_encoder(
        str(encoder),
        text,
        output,
        masking=masking or Masking(level="span"),
        settings=replace(SETTINGS, **settings),
        gpu_id=-1,
        resume=resume,
        held_out_text=held_out_text,
    )


@pytest.fixture(scope="session")
def dapt_settings():
    """Give the settings of all runs: 4 steps of the head, then 9 of all weights, a checkpoint every second step."""
    return SETTINGS


@pytest.fixture(scope="session")
def adapt():
    """Give a function that adapts an encoder with these settings, some of them changed by name."""
    return run_dapt


@pytest.fixture
def text(tmp_path):
    """Give a text of 60 lines."""
    return write_text(tmp_path)


@pytest.fixture(scope="session")
def whole_run(tiny_encoder, tmp_path_factory):
    """Give the output and the report of an unbroken run on the same text, which has statistics beside it."""
    folder = tmp_path_factory.mktemp("whole")
    text = write_text(folder)
    srsly.write_json(folder / "text.txt.json", STATISTICS)
    return folder / "out", run_dapt(tiny_encoder, text, folder / "out")


@pytest.fixture(scope="session")
def whole(whole_run):
    """Give the output of the unbroken run, not to be changed."""
    return whole_run[0]


@pytest.fixture(scope="session")
def older_run(tiny_encoder, tmp_path_factory):
    """Give the output of an unbroken run with another seed, not to be changed."""
    folder = tmp_path_factory.mktemp("older")
    run_dapt(tiny_encoder, write_text(folder), folder / "out", seed=1)
    return folder / "out"


@pytest.fixture(scope="session")
def run_killed():
    """Give a function that adapts an encoder until it is killed before a step."""

    def run(step, *args):
        original = Adaptation.take_step

        def dying(self, batch):
            if self.step == step:
                raise Killed
            original(self, batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Adaptation, "take_step", dying)
            with pytest.raises(Killed):
                run_dapt(*args)

    return run


@pytest.fixture(scope="session")
def killed_at_5(run_killed, tiny_encoder, tmp_path_factory):
    """Give the output of a run that was killed before step 5, not to be changed."""
    folder = tmp_path_factory.mktemp("killed")
    run_killed(5, tiny_encoder, write_text(folder), folder / "out")
    return folder / "out"


@pytest.fixture(scope="session")
def still_folder(tiny_encoder, tmp_path_factory):
    """Give the folder of the tiny encoder without dropout, not to be changed."""
    folder = tmp_path_factory.mktemp("still") / "still"
    shutil.copytree(tiny_encoder, folder)
    config = json.loads((folder / "config.json").read_text())
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def still_run(still_folder, tmp_path_factory):
    """Give the output and the report of a run without dropout.

    Its rate is low enough that a rounding error changes little, as Adam's steps do not grow with the gradient.
    """
    folder = tmp_path_factory.mktemp("still_run")
    return folder / "out", run_dapt(still_folder, write_text(folder), folder / "out", rate=1e-4)


@pytest.fixture
def still_encoder(still_folder, tmp_path):
    """Give the folder of the tiny encoder without dropout, free to be changed."""
    return shutil.copytree(still_folder, tmp_path / "still")


@pytest.fixture(scope="session")
def weights_of():
    """Give a function that reads the weights of an adapted encoder and of its output layer."""

    def read(output):
        return {
            **load_file(output / "model.safetensors"),
            **{f"head {name}": tensor for name, tensor in load_file(output / "mlm" / "head.safetensors").items()},
        }

    return read


@pytest.fixture(scope="session")
def rows_of():
    """Give a function that reads the log of an adapted encoder, without its clock."""
    return lambda output: [{**row, "tokens_per_second": 0} for row in srsly.read_jsonl(output / "log.jsonl")]


@pytest.fixture(scope="session")
def assert_same(weights_of, rows_of):
    """Give a function that asserts that two outputs have the same weights and the same log."""

    def compare(output, expected):
        weights, wanted = weights_of(output), weights_of(expected)
        assert weights.keys() == wanted.keys()
        assert all(torch.equal(weights[name], wanted[name]) for name in wanted)
        assert rows_of(output) == rows_of(expected)

    return compare
