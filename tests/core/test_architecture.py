from inspect import signature

import pytest
import spacy
from thinc.api import Model
from thinc.config import ConfigValidationError

from spacy_crossner.core.architecture import settings_of
from spacy_crossner.core.bridge import build_head_model
from spacy_crossner.core.head import SequenceHead

# The settings that saved configs of format 1 hold, and their defaults.
SETTINGS = {
    "crf_ner": {"use_crf": True},
    "label_aware_ner": {
        "label_width": 100,
        "use_background": True,
        "use_context": True,
        "use_crf": False,
        "scheduled_sampling": 0.5,
        "beam": 1,
        "block": None,
        "max_cells": 65_536,
    },
    "moee_ner": {"expert_width": 200, "use_multi_task": True, "use_experts": True, "use_crf": True},
    "param_gen_ner": {
        "hidden": 100,
        "vector_width": 8,
        "spread": 1.0,
        "use_domains": True,
        "use_tasks": True,
        "share_output": True,
        "use_crf": True,
    },
}
ARCHITECTURES = {
    "crf_ner": "spacy_crossner.CRF.v1",
    "label_aware_ner": "spacy_crossner.LabelAware.v1",
    "moee_ner": "spacy_crossner.MoEE.v1",
    "param_gen_ner": "spacy_crossner.ParameterGeneration.v1",
}
CNN = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 8,
    "depth": 1,
    "embed_size": 20,
    "window_size": 1,
    "maxout_pieces": 2,
    "subword_features": False,
}


class ToyHead(SequenceHead):
    """A head with two settings, and a size that the model itself gives."""

    def __init__(self, width, allowed_starts, allowed_transitions, *, n_words: int, rate: float = 0.5, deep=False):
        super().__init__()


def make_tok2vec():
    return Model("tok2vec", lambda model, docs, is_train: (docs, None))


def test_a_builder_has_the_settings_of_its_head_and_is_called_with_all_of_them():
    called = []

    @settings_of(ToyHead)
    def build_toy_model(tok2vec, **settings):
        """Build it."""
        called.append(settings)
        return build_head_model(tok2vec, ToyHead)

    parameters = signature(build_toy_model).parameters
    assert list(parameters) == ["tok2vec", "rate", "deep"]
    assert (parameters["rate"].annotation, parameters["rate"].default) == (float, 0.5)
    assert build_toy_model.__doc__ == "Build it."
    tok2vec = make_tok2vec()
    assert build_toy_model(tok2vec).get_ref("tok2vec") is tok2vec
    build_toy_model(tok2vec=tok2vec, deep=True)
    assert called == [{"rate": 0.5, "deep": False}, {"rate": 0.5, "deep": True}]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_config_is_filled_with_the_settings_of_the_head(name):
    block = {"model": {"@architectures": ARCHITECTURES[name], "tok2vec": CNN}}
    filled = dict(spacy.registry.fill(block)["model"])
    assert filled.pop("@architectures") == ARCHITECTURES[name]
    assert filled.pop("tok2vec") == CNN
    assert filled == SETTINGS[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_a_pipeline_saves_the_settings_of_the_head(name):
    nlp = spacy.blank("en")
    nlp.add_pipe(name)
    model = dict(nlp.config["components"][name]["model"])
    assert model.pop("@architectures") == ARCHITECTURES[name]
    assert model.pop("tok2vec")
    assert model == SETTINGS[name]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("setting", "value"), [("use_crff", True), ("n_domains", 2), ("use_crf", "maybe")])
def test_unknown_settings_and_wrong_types_are_config_errors(name, setting, value):
    with pytest.raises(ConfigValidationError, match=setting):
        spacy.blank("en").add_pipe(name, config={"model": {setting: value}})
