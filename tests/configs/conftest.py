"""A small corpus, and a pipeline that stages go on from."""

import json

import pytest
import spacy

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training.train import train

from .stages import CONFIGS, paths


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, annotated_docs):
    folder = tmp_path_factory.mktemp("corpus")
    write_docbin(annotated_docs(spacy.blank("en")), folder / "train.spacy")
    (folder / "labels.json").write_text(json.dumps(["person", "place", "thing", "planet"]))
    return folder


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory, corpus, tiny_encoder):
    """Give the folder of a pipeline for stages that go on from one."""
    folder = tmp_path_factory.mktemp("pretrained")
    overrides = {**paths(corpus), "training.max_steps": 1, "training.eval_frequency": 1}
    train(CONFIGS / "crf.cfg", folder, overrides={**overrides, "paths.encoder": str(tiny_encoder)})
    return str(folder / "model-best")
