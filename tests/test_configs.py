"""Every config in configs/ is complete and trains: two steps on the sample's text with a tiny encoder."""

import json
from pathlib import Path

import pytest
import spacy
from spacy import util

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training.train import train

CONFIGS = Path(__file__).parents[1] / "configs"
METHODS = sorted(path.stem for path in CONFIGS.glob("*.cfg") if not path.stem.startswith("finetune"))
# Those with an encoder of their own instead of a pre-trained one.
BILSTM = ("bilstm_crf", "moee")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, annotated_docs):
    folder = tmp_path_factory.mktemp("corpus")
    write_docbin(annotated_docs(spacy.blank("en")), folder / "train.spacy")
    (folder / "labels.json").write_text(json.dumps(["person", "place", "thing", "planet"]))
    return folder


def paths(corpus):
    return {"paths.train": str(corpus / "train.spacy"), "paths.dev": str(corpus / "train.spacy")}


def encoder_of(method, tiny_encoder):
    if method in BILSTM:
        return {"components.ner.model.tok2vec.character_filters": 8}
    return {"paths.encoder": str(tiny_encoder)}


@pytest.mark.parametrize("method", METHODS)
def test_method_trains_and_its_pipeline_is_fine_tuned(method, corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "training.max_steps": 1, "training.eval_frequency": 1}
    encoder = encoder_of(method, tiny_encoder)
    train(CONFIGS / f"{method}.cfg", tmp_path / "source", overrides={**overrides, **encoder})
    source = spacy.load(tmp_path / "source" / "model-best")
    assert source.get_pipe("ner").labels == ("person", "place", "thing")

    stage = {"paths.pretrained": str(tmp_path / "source" / "model-best"), "paths.labels": str(corpus / "labels.json")}
    finetune = "finetune_bilstm.cfg" if method in BILSTM else "finetune.cfg"
    train(CONFIGS / finetune, tmp_path / "target", overrides={**overrides, **stage})
    target = spacy.load(tmp_path / "target" / "model-best")
    assert target.get_pipe("ner").labels == ("person", "place", "thing", "planet")
    assert target.resume_training().total_steps == 1
    assert [doc.text for doc in target.pipe(["Ada met Grace.", ""])] == ["Ada met Grace.", ""]


@pytest.mark.parametrize("method", METHODS)
def test_joint_training_takes_a_second_domain(method, corpus, tiny_encoder, tmp_path):
    joint = {
        **paths(corpus),
        "paths.source": str(corpus / "train.spacy"),
        **encoder_of(method, tiny_encoder),
        "corpora.train.domains.target.upsample": 2,
        "training.batcher.size": 30,
    }
    train(CONFIGS / f"{method}.cfg", tmp_path, epochs=1, evaluations=1, overrides=joint)
    # 20 sentences twice and 20 once, 30 in a batch.
    assert util.load_config(tmp_path / "model-last" / "config.cfg")["training"]["max_steps"] == 2


def test_the_same_seed_gives_the_same_weights(corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "paths.encoder": str(tiny_encoder), "training.max_steps": 3}
    blobs = []
    for run in ("a", "b"):
        train(CONFIGS / "crf.cfg", tmp_path / run, overrides=overrides)
        folder = tmp_path / run / "model-last"
        blobs.append([(folder / name / "model").read_bytes() for name in ("transformer", "ner")])
    assert blobs[0] == blobs[1]
