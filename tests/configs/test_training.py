"""Every config in configs/ trains: two steps on a small corpus with a tiny encoder."""

import json

import pytest
import spacy
from spacy import util
from spacy.cli.train import train as spacy_train
from spacy.training.initialize import init_nlp

from spacy_crossner.core.bridge import get_module
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.anchors import augment_files
from spacy_crossner.training import presets
from spacy_crossner.training.train import train

from .stages import BILSTM, CONFIGS, METHODS, encoder_of, paths, tag


@pytest.mark.parametrize("method", ["laner", "moee", "finetune"])
def test_spacy_trains_by_a_config(method, corpus, tiny_encoder, pretrained, tmp_path):
    overrides = {**paths(corpus), "training.max_steps": 2, "training.eval_frequency": 2, "training.batcher.size": 20}
    if method == "finetune":
        overrides.update({"paths.pretrained": pretrained, "paths.labels": str(corpus / "labels.json")})
    else:
        overrides.update(encoder_of(method, tiny_encoder))
    spacy_train(CONFIGS / f"{method}.cfg", tmp_path, overrides=overrides)
    nlp = spacy.load(tmp_path / "model-last")
    assert set(nlp.get_pipe("ner").labels) >= {"person", "place", "thing"}
    assert nlp.config["training"]["score_weights"] == {
        "ents_f": 1.0,
        "ents_p": 0.0,
        "ents_r": 0.0,
        "ents_per_type": None,
    }


@pytest.mark.parametrize("method", METHODS)
def test_method_trains_and_its_pipeline_is_fine_tuned(method, corpus, tiny_encoder, tmp_path, use_gpu):
    overrides = {**paths(corpus), "training.max_steps": 1, "training.eval_frequency": 1}
    encoder = encoder_of(method, tiny_encoder)
    train(CONFIGS / f"{method}.cfg", tmp_path / "source", overrides={**overrides, **encoder}, use_gpu=use_gpu)
    source = spacy.load(tmp_path / "source" / "model-best")
    assert source.get_pipe("ner").labels == ("person", "place", "thing")

    stage = {"paths.pretrained": str(tmp_path / "source" / "model-best"), "paths.labels": str(corpus / "labels.json")}
    finetune = "finetune_bilstm.cfg" if method in BILSTM else "finetune.cfg"
    train(CONFIGS / finetune, tmp_path / "target", overrides={**overrides, **stage}, use_gpu=use_gpu)
    target = spacy.load(tmp_path / "target" / "model-best")
    assert target.get_pipe("ner").labels == ("person", "place", "thing", "planet")
    assert target.resume_training().total_steps == 1
    found, scores = tag(target)
    # What was trained on a GPU tags on the CPU, too.
    spacy.require_cpu()
    again, close = tag(spacy.load(tmp_path / "target" / "model-best"))
    assert again == found
    assert close == pytest.approx(scores, abs=1e-4)


def test_new_labels_begin_from_vectors_by_one_override(corpus, pretrained, tmp_path):
    stage = {**paths(corpus), "paths.pretrained": pretrained, "paths.labels": str(corpus / "labels.json")}
    stage |= {"training.max_steps": 1, "training.eval_frequency": 1}
    weights = {}
    for switch in (False, True):
        overrides = {**stage, "stage.label_rows": switch}
        nlp = init_nlp(util.load_config(CONFIGS / "finetune.cfg", overrides=overrides))
        weights[switch] = get_module(nlp.get_pipe("ner").model).output.weight
        train(CONFIGS / "finetune.cfg", tmp_path / str(switch), overrides=overrides)
        target = spacy.load(tmp_path / str(switch) / "model-last")
        assert target.get_pipe("ner").labels == ("person", "place", "thing", "planet")
    # The rows of planet, the only new label, and no others.
    assert (weights[True] != weights[False]).any(dim=1).nonzero().flatten().tolist() == [7, 8]


@pytest.mark.parametrize("method", [method for method in METHODS if not method.startswith("param_gen")])
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


@pytest.mark.parametrize("supervised", [True, False])
def test_language_models_of_two_domains_help_to_tag(supervised, corpus, tmp_path, use_gpu):
    (tmp_path / "raw.txt").write_text("Alan went home .\nIt snowed in Oslo .\nThe lamp is on .\n")
    overrides = {**paths(corpus), "paths.source": str(corpus / "train.spacy"), "paths.log": str(tmp_path / "log.jsonl")}
    overrides |= {"paths.source_text": str(corpus / "train.spacy"), "paths.target_text": str(tmp_path / "raw.txt")}
    # Its dev set is its text.
    overrides |= {"initialize.before_init.held_out.dev": None, "training.batcher.size": 8}
    if supervised:
        overrides["components.ner.model.share_output"] = False
    else:
        overrides["paths.train"] = None
    settings = {"epochs": 1, "evaluations": 1, "overrides": overrides, "use_gpu": use_gpu}
    train(CONFIGS / "param_gen.cfg", tmp_path / "out", **settings)
    losses = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["losses"]
    assert (losses["ner.target_ner"] > 0) == supervised
    assert min(losses[f"ner.{term}"] for term in ("source_ner", "source_lm", "target_lm")) > 0
    ner = spacy.load(tmp_path / "out" / "model-last").get_pipe("ner")
    assert ner.domains == ("source", "target")
    assert set(ner.losses) == {"source_ner", "target_ner", "source_lm", "target_lm"}


def test_a_language_model_does_not_see_the_test_set(corpus, tmp_path):
    overrides = {**paths(corpus), "paths.target_text": str(corpus / "train.spacy")}
    with pytest.raises(CrossnerError, match=r"C050.*20 text.*Ada Lovelace"):
        train(CONFIGS / "param_gen.cfg", tmp_path / "out", overrides=overrides)


@pytest.mark.parametrize("method", ["crf", "laner", "moee_transformer"])
def test_pdaln_goes_on_from_a_pipeline_and_learns_from_a_teacher(method, corpus, tiny_encoder, tmp_path, use_gpu):
    few = {**paths(corpus), "training.max_steps": 1, "training.eval_frequency": 1}
    train(
        CONFIGS / f"{method}.cfg",
        tmp_path / "base",
        overrides={**few, "paths.encoder": str(tiny_encoder)},
        use_gpu=use_gpu,
    )
    (tmp_path / "raw.txt").write_text("Ada went home .\nIt rained in Oslo .\n")
    augment_files(corpus / "train.spacy", corpus / "train.spacy", tmp_path / "adaptive.spacy")
    stage = {**few, "paths.labels": str(corpus / "labels.json"), "paths.unlabelled": str(tmp_path / "raw.txt")}
    stage |= {"training.max_steps": 3, "training.eval_frequency": 3, "training.batcher.batcher.size": 20}
    first = {**stage, "paths.source": str(corpus / "train.spacy"), "paths.log": str(tmp_path / "first.jsonl")}
    first |= {"paths.pretrained": str(tmp_path / "base" / "model-best"), "weights.vat": 0.1}
    train(CONFIGS / "pdaln.cfg", tmp_path / "first", overrides=first, use_gpu=use_gpu)
    second = {**stage, "paths.source": str(tmp_path / "adaptive.spacy"), "paths.log": str(tmp_path / "second.jsonl")}
    second |= {"paths.pretrained": str(tmp_path / "first" / "model-last"), "weights.distillation": 0.5}
    train(CONFIGS / "pdaln.cfg", tmp_path / "second", overrides={**second, "stage.iteration": 2}, use_gpu=use_gpu)

    def last_row(name):
        return json.loads((tmp_path / f"{name}.jsonl").read_text().splitlines()[-1])["losses"]

    drawn = {"ner.nll", "ner.sentence_mmd", "ner.word_mmd", "ner.contrastive"}
    for name, more in (("first", "ner.vat"), ("second", "ner.distillation")):
        # Without bias a discrepancy may be below 0.
        losses = last_row(name)
        assert {term for term, value in losses.items() if term.startswith("ner.") and value != 0} == drawn | {more}
    # What is saved is the component as it was configured, with what it has learned.
    target = spacy.load(tmp_path / "second" / "model-last")
    assert list(target.get_pipe("ner").losses) == list(
        spacy.load(tmp_path / "base" / "model-best").get_pipe("ner").losses
    )
    assert target.get_pipe("ner").teacher is None


def test_the_same_seed_gives_the_same_weights(corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "paths.encoder": str(tiny_encoder), "training.max_steps": 3}
    blobs = []
    for run in ("a", "b"):
        train(CONFIGS / "crf.cfg", tmp_path / run, overrides=overrides)
        blobs.append((tmp_path / run / "model-last" / "ner" / "model").read_bytes())
    assert blobs[0] == blobs[1]


def test_a_stage_on_a_large_encoder_is_trained_by_its_preset(corpus, tiny_encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(presets, "BASE_WIDTH", 16)
    monkeypatch.setitem(presets.PRESETS, "base", presets.Preset(rate=1 / 3, min_steps=3))
    length = {"epochs": 0.01, "evaluations": 1}
    stage = {"paths.pretrained": str(tmp_path / "source" / "model-best"), "paths.labels": str(corpus / "labels.json")}
    for name, config, overrides in (("source", "crf", encoder_of("crf", tiny_encoder)), ("target", "finetune", stage)):
        train(CONFIGS / f"{config}.cfg", tmp_path / name, overrides={**paths(corpus), **overrides}, **length)
        training = spacy.load(tmp_path / name / "model-best").config["training"]
        assert training["optimizer"]["encoder_rate"] == pytest.approx(1e-4)
        assert training["optimizer"]["total_steps"] == training["max_steps"] == training["eval_frequency"] == 3
