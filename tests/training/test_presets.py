"""Recipes by the size of the encoder."""

import pytest
import spacy
from spacy.training import Example

from spacy_crossner.errors import CrossnerError
from spacy_crossner.training import presets
from spacy_crossner.training.presets import PRESETS, apply_preset, check_preset, encoder_width
from spacy_crossner.training.train import train

RATE = "training.optimizer.encoder_rate"


@pytest.fixture(scope="module")
def nlp(tiny_encoder):
    nlp = spacy.blank("en")
    encoder = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder)}
    ner = nlp.add_pipe("crf_ner", config={"model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": encoder}})
    ner.add_label("PER")
    doc = nlp.make_doc("Ada")
    nlp.initialize(lambda: [Example.from_dict(doc, {"entities": ["U-PER"]})])
    return nlp


@pytest.fixture
def settings(nlp, monkeypatch):
    """Give training settings with a rate that refers to another setting, for an encoder of the size of BERT-base."""
    monkeypatch.setattr(presets, "BASE_WIDTH", 16)
    config = nlp.config.copy()
    config["paths"]["rate"] = 3e-4
    config["training"].update({"max_steps": 24, "eval_frequency": 6})
    config["training"]["optimizer"] = {
        "@optimizers": "spacy_crossner.HeadAdamW.v1",
        "encoder_rate": "${paths.rate}",
        "total_steps": "${training.max_steps}",
    }
    monkeypatch.setattr(nlp, "_config", config)
    return config["training"]


def test_the_width_is_that_of_the_widest_encoder(nlp):
    assert encoder_width(nlp) == 16
    assert encoder_width(spacy.blank("en")) == 0


def test_a_large_encoder_gets_a_lower_rate_and_more_steps(nlp, settings):
    message = apply_preset(nlp, "auto", {}, evaluations=4)
    assert message.startswith("Preset base for an encoder of width 16: encoder rate 0.0001, 600 steps.")
    optimizer = nlp.config.interpolate()["training"]["optimizer"]
    assert optimizer["encoder_rate"] == pytest.approx(1e-4)
    assert optimizer["total_steps"] == settings["max_steps"] == 600
    assert settings["eval_frequency"] == 150


@pytest.mark.parametrize("evaluations", [1, 7])
def test_the_last_step_is_evaluated(nlp, settings, evaluations):
    apply_preset(nlp, "base", {}, evaluations=evaluations)
    assert settings["max_steps"] == settings["eval_frequency"] * evaluations
    assert 600 <= settings["max_steps"] < 600 + evaluations


def test_what_the_user_has_given_stays(nlp, settings):
    settings["max_steps"] = 700
    assert apply_preset(nlp, "auto", {RATE: 3e-4}, evaluations=4) == ""
    assert settings["optimizer"]["encoder_rate"] == "${paths.rate}"
    assert settings["max_steps"] == 700
    # A length in steps is not changed.
    settings["max_steps"] = 24
    assert "steps" not in apply_preset(nlp, "auto", {}, evaluations=None)
    assert settings["max_steps"] == 24


def test_a_small_encoder_keeps_the_config(nlp, settings, monkeypatch):
    before = nlp.config.copy()
    assert apply_preset(nlp, "small", {}, evaluations=4) == ""
    monkeypatch.setattr(presets, "BASE_WIDTH", 17)
    assert apply_preset(nlp, "auto", {}, evaluations=4) == ""
    assert nlp.config == before


def test_a_pipeline_without_an_optimizer_of_this_package(nlp, settings):
    settings["optimizer"] = {"@optimizers": "Adam.v1"}
    assert "rate" not in apply_preset(nlp, "base", {}, evaluations=4)
    assert settings["optimizer"] == {"@optimizers": "Adam.v1"}


def test_an_unknown_preset_is_an_error(tmp_path):
    for name in ("auto", *PRESETS):
        check_preset(name)
    with pytest.raises(CrossnerError, match=r"C521. There is no preset 'large'. Known: auto, small, base"):
        train(tmp_path / "no.cfg", tmp_path / "out", preset="large")
