"""Training that diverges ends with one sentence, and leaves pipelines and checkpoints that can be used."""

import math

import pytest
import spacy
import torch
from spacy.language import Language
from spacy.util import registry
from thinc.api import Adam, Config, Model, PyTorchWrapper, Shim, chain
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.log import read_log
from spacy_crossner.training.parameters import first_not_finite, parameters
from spacy_crossner.training.run import TrainingRun
from spacy_crossner.training.train import train

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
CRF = {"factory": "crf_ner", "model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": TOK2VEC}}
# Before which step what is spoilt; taken away when it has been.
SPOIL = {}


@registry.callbacks("test_divergence.spoil.v1")
def create_spoil():
    def spoil(nlp, args):
        value = SPOIL.get(args["step"])
        if value is not None:
            for _, weight in parameters(nlp).values():
                if weight.is_floating_point():
                    weight.fill_(value)

    return spoil


@Language.factory("test_divergence_other")
class Other:
    """A component with a torch layer, with a mask and a weight that does not learn, and a layer of another library."""

    def __init__(self, nlp, name):
        module = torch.nn.Linear(2, 2)
        module.register_buffer("mask", torch.full((2,), -math.inf))
        module.fixed = torch.nn.Parameter(torch.full((2,), math.inf), requires_grad=False)
        foreign = Model("foreign", lambda model, x, is_train: (x, lambda dy: dy), shims=[Shim(object())])
        self.model = chain(PyTorchWrapper(module), foreign)

    def __call__(self, doc):
        return doc


@pytest.fixture
def config(tmp_path, annotated_docs):
    SPOIL.clear()
    write_docbin(annotated_docs(spacy.blank("xx")), tmp_path / "train.spacy")
    reader = {"@readers": "spacy_crossner.DomainReader.v1", "domains": {"a": {"path": str(tmp_path / "train.spacy")}}}
    content = {
        "nlp": {"lang": "xx", "pipeline": ["ner"]},
        "components": {"ner": CRF},
        "corpora": {"train": reader, "dev": reader},
        "training": {
            "train_corpus": "corpora.train",
            "dev_corpus": "corpora.dev",
            "seed": 0,
            "gpu_allocator": None,
            "max_steps": 9,
            "eval_frequency": 3,
            "patience": 0,
            "before_update": {"@callbacks": "test_divergence.spoil.v1"},
            "batcher": {"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8},
            "optimizer": {"@optimizers": "spacy_crossner.HeadAdamW.v1", "encoder_rate": 0.01, "total_steps": 20},
            "score_weights": {"ents_f": 1.0},
        },
        "initialize": {},
    }
    Config(content).to_disk(tmp_path / "config.cfg")
    return tmp_path / "config.cfg"


def are_finite(folder):
    nlp = spacy.load(folder)
    nlp("Ada met Grace in Paris.")
    return all(bool(torch.isfinite(tensor).all()) for _, tensor in parameters(nlp).values())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_training_in_one_sentence(config, tmp_path, value):
    SPOIL[5] = value
    result = CliRunner().invoke(app, ["train", str(config), "-o", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    said = " ".join(result.output.split())
    assert "[C070] Training has diverged: at step 5 the loss term 'ner.nll' is nan" in said
    assert "encoder_rate" in said
    assert f"model-last in {tmp_path}/out is from step 3" in said
    assert are_finite(tmp_path / "out" / "model-best")
    assert are_finite(tmp_path / "out" / "model-last")
    assert [path.name for path in (tmp_path / "out" / "checkpoint").iterdir()] == ["4"]
    # The steps before show how it came to this.
    assert [row["step"] for row in read_log(tmp_path / "out")] == [0, 3]
    assert (tmp_path / "out" / "curve.png").is_file()


def test_weights_that_are_no_numbers_are_not_scored_and_saved(config, tmp_path, monkeypatch):
    original = TrainingRun._update

    def update(self, batch):
        original(self, batch)
        if self.batches.drawn == 7:
            # What a loss that is a number and a gradient that is none lead to, right before the step is scored.
            next(iter(parameters(self.nlp).values()))[1].fill_(math.inf)

    monkeypatch.setattr(TrainingRun, "_update", update)
    with pytest.raises(CrossnerError, match=r"C070.*at step 6 the weight 'ner/.*is from step 3"):
        train(config, tmp_path / "out")
    assert are_finite(tmp_path / "out" / "model-best")
    assert are_finite(tmp_path / "out" / "model-last")
    assert [path.name for path in (tmp_path / "out" / "checkpoint").iterdir()] == ["4"]
    # The steps before show how it came to this.
    assert [row["step"] for row in read_log(tmp_path / "out")] == [0, 3]
    assert (tmp_path / "out" / "curve.png").is_file()


def test_infinite_moments_are_found(config, tmp_path, monkeypatch):
    original = TrainingRun._update

    def update(self, batch):
        original(self, batch)
        if self.batches.drawn == 7:
            for state in self.optimizer.adamw.state.values():
                state["exp_avg_sq"].fill_(math.inf)

    monkeypatch.setattr(TrainingRun, "_update", update)
    with pytest.raises(CrossnerError, match=r"C070.*at step 6 the weight 'ner/"):
        train(config, tmp_path / "out")


def test_the_same_command_is_refused_and_other_settings_start(config, tmp_path, capsys):
    SPOIL[5] = math.nan
    with pytest.raises(CrossnerError, match="C070"):
        train(config, tmp_path / "out")
    SPOIL.clear()
    with pytest.raises(CrossnerError, match=r"C071.*at step 5.*--no-resume"):
        train(config, tmp_path / "out")
    assert are_finite(tmp_path / "out" / "model-best")
    capsys.readouterr()
    train(config, tmp_path / "out", overrides={"training.optimizer.encoder_rate": 0.001})
    assert "training.optimizer.encoder_rate" in " ".join(capsys.readouterr().out.split())
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"model-best", "model-last", "fingerprint.json", "log.jsonl", "curve.png"}


def test_no_resume_tries_it_again(config, tmp_path):
    SPOIL[5] = math.nan
    with pytest.raises(CrossnerError, match="C070"):
        train(config, tmp_path / "out")
    SPOIL.clear()
    train(config, tmp_path / "out", resume=False)
    assert are_finite(tmp_path / "out" / "model-last")


def test_only_what_learns_can_diverge():
    nlp = spacy.blank("xx")
    nlp.add_pipe("test_divergence_other", name="other")
    optimizer = Adam(0.1)
    assert first_not_finite(nlp, optimizer) is None
    (shim,) = next(node for node in nlp.get_pipe("other").model.walk() if node.name == "pytorch").shims
    with torch.no_grad():
        shim._model.bias[1] = math.nan
    name = first_not_finite(nlp, optimizer)
    assert name == "other/1/shim0/bias"
    assert first_not_finite(nlp, optimizer, frozen=["other"]) is None


def test_training_goes_on_beside_a_mask_and_a_frozen_component(config, tmp_path):
    content = Config().from_disk(config)
    content["nlp"]["pipeline"] = ["ner", "other"]
    content["components"]["other"] = {"factory": "test_divergence_other"}
    content["training"]["frozen_components"] = ["other"]
    content.to_disk(config)
    train(config, tmp_path / "out")
    assert {"model-best", "model-last", "fingerprint.json"} < {path.name for path in (tmp_path / "out").iterdir()}
