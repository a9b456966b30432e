"""The baseline, spaCy's own `ner`, goes through the same stages as the methods of this package."""

import json
from pathlib import Path

import pytest
import spacy
from spacy import util
from spacy.training.initialize import init_nlp

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.evaluation.evaluate import evaluate
from spacy_crossner.training.train import train

from .stages import CONFIGS, fill, paths

CONFIG = Path(__file__).parents[2] / "benchmarks" / "spacy_ner.cfg"


def test_the_baseline_has_the_settings_of_the_linear_tagger():
    ours, theirs = (fill(path) for path in (CONFIGS / "tagger.cfg", CONFIG))
    assert theirs["corpora"] == ours["corpora"]
    assert theirs["components"]["ner"]["model"]["tok2vec"] == ours["components"]["ner"]["model"]["tok2vec"]
    optimizer = theirs["training"].pop("optimizer")
    assert optimizer.pop("thinc_rate") == ours["training"]["optimizer"]["head_rate"]
    assert ours["training"]["optimizer"].pop("thinc_rate") is None
    assert optimizer == ours["training"].pop("optimizer")
    for config in (ours, theirs):
        del config["training"]["score_weights"]
    assert theirs["training"] == ours["training"]
    assert {**theirs["nlp"], **theirs["system"]} == {**ours["nlp"], **ours["system"]}


def test_a_source_stage_and_a_target_stage_train(corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "training.max_steps": 3, "training.eval_frequency": 3}
    source = {**overrides, "paths.encoder": str(tiny_encoder), "corpora.train.domains.target.replace_mentions": 0.3}
    train(CONFIG, tmp_path / "source", overrides=source)
    before = spacy.load(tmp_path / "source" / "model-last")
    assert set(before.get_pipe("ner").labels) == {"person", "place", "thing"}
    (corpus / "labels.json").write_text(json.dumps(["person", "place", "thing", "planet"]))
    stage = {
        "paths.pretrained": str(tmp_path / "source" / "model-last"),
        "paths.labels": str(corpus / "labels.json"),
        "training.optimizer.thinc_rate": 1e-3,
    }
    # Before its first step the target stage has the weights of the source stage.
    nlp = init_nlp(util.load_config(CONFIGS / "finetune.cfg", overrides={**overrides, **stage}))
    assert set(nlp.get_pipe("ner").labels) == {"person", "place", "thing", "planet"}
    docs = read_docbin(corpus / "train.spacy", nlp.vocab)
    vectors = [pipeline.get_pipe("ner").model.get_ref("tok2vec").predict(docs[:2])[0] for pipeline in (before, nlp)]
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)
    train(CONFIGS / "finetune.cfg", tmp_path / "target", overrides={**overrides, **stage})
    after = spacy.load(tmp_path / "target" / "model-best")
    assert set(after.get_pipe("ner").labels) == {"person", "place", "thing", "planet"}
    scores = evaluate(after, docs)
    assert scores["sentences"] == len(docs)
