"""Every config in configs/ is complete and trains: two steps on the sample's text with a tiny encoder."""

import json
from pathlib import Path

import pytest
import spacy
from spacy import util
from spacy.cli.init_config import fill_config
from spacy.cli.train import train as spacy_train

from spacy_crossner.data.convert import convert
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.evaluate import evaluate
from spacy_crossner.methods.pdaln.anchors import augment_files
from spacy_crossner.training.train import train

CONFIGS = Path(__file__).parents[1] / "configs"
# Stages that go on from a pipeline.
STAGES = ("finetune", "pdaln")
METHODS = sorted(path.stem for path in CONFIGS.glob("*.cfg") if not path.stem.startswith(STAGES))
# Those with an encoder of their own instead of a pre-trained one.
BILSTM = ("bilstm_crf", "moee", "param_gen")
# The line from which on configs of one kind are the same.
MARK = "# The rest is the same "
# Narrow layers, so that a step takes no time.
NARROW = {
    "bilstm_crf": {"tok2vec.hidden": 8, "tok2vec.depth": 1},
    "laner": {"label_width": 8},
    "moee": {"expert_width": 8, "tok2vec.hidden": 8, "tok2vec.depth": 1},
    "moee_transformer": {"expert_width": 8},
    "param_gen": {"hidden": 8, "vector_width": 2},
    "param_gen_transformer": {"hidden": 8, "vector_width": 2},
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, annotated_docs):
    folder = tmp_path_factory.mktemp("corpus")
    write_docbin(annotated_docs(spacy.blank("en")), folder / "train.spacy")
    (folder / "labels.json").write_text(json.dumps(["person", "place", "thing", "planet"]))
    return folder


def paths(corpus):
    return {"paths.train": str(corpus / "train.spacy"), "paths.dev": str(corpus / "train.spacy")}


def encoder_of(method, tiny_encoder):
    narrow = {f"components.ner.model.{key}": width for key, width in NARROW.get(method, {}).items()}
    if method in BILSTM:
        return {**narrow, "components.ner.model.tok2vec.character_filters": 8}
    return {**narrow, "paths.encoder": str(tiny_encoder)}


def tag(nlp):
    """Tag a short, an empty and a long text; return the entities of each, and the scores of all."""
    docs = list(nlp.pipe(["Ada met Grace.", "", "Grace Hopper found a moth in the Mark II . " * 20]))
    entities = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
    return entities, [ent._.score for doc in docs for ent in doc.ents]


def fill(path, **overrides):
    """Return a config with all defaults that spaCy fills in, interpolated."""
    config = util.load_config(path, overrides=overrides)
    return util.load_model_from_config(config, auto_fill=True, validate=False).config.interpolate()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, corpus, tiny_encoder):
    """Give the folder of a pipeline for stages that go on from one."""
    folder = tmp_path_factory.mktemp("pretrained")
    overrides = {**paths(corpus), "training.max_steps": 1, "training.eval_frequency": 1}
    train(CONFIGS / "crf.cfg", folder, overrides={**overrides, "paths.encoder": str(tiny_encoder)})
    return str(folder / "model-best")


def source_of(name, pretrained):
    return {"paths.pretrained": pretrained} if name.startswith(STAGES) else {}


@pytest.mark.parametrize(
    "mark",
    [
        MARK + rest
        for rest in (
            "for all methods on a pre-trained encoder.",
            "for all methods on a BiLSTM.",
            "in both configs of the target stage.",
            "in both configs of parameter generation.",
        )
    ],
)
def test_configs_of_one_kind_differ_above_a_line_only(mark):
    texts = [path.read_text() for path in sorted(CONFIGS.glob("*.cfg"))]
    parts = [text.partition(f"\n{mark}\n")[2] for text in texts if f"\n{mark}\n" in text]
    assert len(parts) > 1
    assert len(set(parts)) == 1
    assert parts[0]


def test_all_configs_share_what_no_method_changes(pretrained):
    def shared(path):
        config = fill(path, **source_of(path.stem, pretrained))
        training = {key: value for key, value in config["training"].items() if key != "dropout"}
        batcher = training.pop("batcher")
        # PDALN's adds twins to the batches of another one.
        padded = batcher.get("batcher", batcher)
        optimizer = training.pop("optimizer")
        reader = {key: value for key, value in config["corpora"]["train"].items() if key != "domains"}
        dev = {key: value for key, value in config["corpora"]["dev"].items() if key != "domains"}
        return {
            "system": config["system"],
            "nlp": {key: value for key, value in config["nlp"].items() if key != "pipeline"},
            "readers": [reader, dev, list(config["corpora"]["dev"]["domains"])],
            "training": training,
            "optimizer": {key: value for key, value in optimizer.items() if key not in ("encoder_rate", "head_rate")},
            "padded": {key: padded[key] for key in ("@batchers", "seed", "pool", "max_padded", "equal_tokens")},
        }

    found = {path.stem: shared(path) for path in CONFIGS.glob("*.cfg")}
    assert len(found) == 11
    for name, settings in found.items():
        assert settings == found["crf"], name


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_settings_that_a_config_leaves_out_can_be_overridden(path, pretrained):
    source = source_of(path.stem, pretrained)
    overrides = {
        "paths.train": "some.spacy",
        "paths.log": "some.jsonl",
        "system.seed": 3,
        "corpora.train.limit": 7,
        "corpora.train.domains.target.replace_mentions": 0.25,
        "corpora.train.domains.target.upsample": 2,
        "corpora.dev.domains.target.path": "dev.spacy",
        "training.dropout": 0.25,
        "training.batcher.seed": 4,
        "training.optimizer.encoder_rate": 0.5,
        "training.optimizer.head_rate": 0.25,
        "training.optimizer.weight_decay": 0.0,
    }
    if path.stem != "pdaln":
        overrides.update({"training.batcher.size": 5, "training.batcher.equal_tokens": True})
    if not source:
        overrides.update({"nlp.lang": "de", "components.ner.model.use_crf": False, "components.ner.threshold": 0.5})
    filled = dict(util.dict_to_dot(fill(path, **source, **overrides)))
    assert {name: filled[name] for name in overrides} == overrides
    assert filled["corpora.train.seed"] == filled["training.seed"] == 3
    assert filled["corpora.train.domains.target.path"] == "some.spacy"
    assert filled["training.logger.output_file"] == "some.jsonl"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_spacy_fills_every_config(path, pretrained, tmp_path):
    source = source_of(path.stem, pretrained)
    base = util.load_config(path, overrides=source, interpolate=False)
    base.to_disk(tmp_path / "base.cfg")
    fill_config(tmp_path / "full.cfg", tmp_path / "base.cfg", silent=True)
    assert fill(tmp_path / "full.cfg") == fill(path, **source)


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
        folder = tmp_path / run / "model-last"
        blobs.append([(folder / name / "model").read_bytes() for name in ("transformer", "ner")])
    assert blobs[0] == blobs[1]


GERMAN = """\
[Ada Lovelace](person) schrieb z.B. an [Zürich](place).
Gestern traf sie [Konrad Zuse](person) in [Köln](place), [Bonn](place) usw.
Geht's gut?
"""


@pytest.fixture(scope="module")
def german(tmp_path_factory):
    folder = tmp_path_factory.mktemp("german")
    (folder / "text.txt").write_text(GERMAN * 3, encoding="utf8")
    convert(folder / "text.txt", folder / "train.spacy", "target", lang="de")
    (folder / "labels.json").write_text(json.dumps(["person", "place", "planet"]))
    return folder


@pytest.mark.parametrize("method", ["crf", "laner", "moee", "param_gen"])
def test_stages_of_another_language(method, german, tiny_encoder, tmp_path):
    overrides = {**paths(german), "nlp.lang": "de", "training.max_steps": 2, "training.eval_frequency": 2}
    train(CONFIGS / f"{method}.cfg", tmp_path / "source", overrides={**overrides, **encoder_of(method, tiny_encoder)})
    pretrained, labels = str(tmp_path / "source" / "model-best"), str(german / "labels.json")
    stage = {**overrides, "paths.pretrained": pretrained, "paths.labels": labels}
    finetune = "finetune_bilstm.cfg" if method in BILSTM else "finetune.cfg"
    train(CONFIGS / finetune, tmp_path / "target", overrides=stage)
    if method == "crf":
        train(
            CONFIGS / "pdaln.cfg", tmp_path / "pdaln", overrides={**stage, "paths.source": paths(german)["paths.train"]}
        )
    for name in {"source", "target", "pdaln"} & {path.name for path in tmp_path.iterdir()}:
        nlp = spacy.load(tmp_path / name / "model-best")
        assert (nlp.lang, nlp.meta["lang"], nlp.vocab.lang) == ("de", "de", "de")
        assert [token.text for token in nlp("z.B. in Köln usw.")] == ["z.B.", "in", "Köln", "usw."]
        gold = read_docbin(german / "train.spacy", nlp.vocab)
        scores = evaluate(nlp, gold, from_text=True)
        # The text was cut by the same tokenizer: nothing is out of reach, and both figures are the same.
        assert (scores["token_fit"]["entities"], scores["token_fit"]["misfits"], scores["notes"]) == (15, 0, [])
        assert {key: scores["from_text"][key] for key in "prf"} == {key: scores["strict"][key] for key in "prf"}


@pytest.mark.parametrize("which", ["train", "dev"])
def test_a_config_of_another_language_than_the_text_is_an_error(which, german, corpus, tiny_encoder, tmp_path):
    overrides = {**paths(corpus), "paths.encoder": str(tiny_encoder), f"paths.{which}": str(german / "train.spacy")}
    with pytest.raises(CrossnerError, match=r"C160.*train.spacy: found text converted as 'de'.*--nlp.lang de"):
        train(CONFIGS / "crf.cfg", tmp_path / "out", epochs=1, overrides=overrides)
    assert not (tmp_path / "out").exists()
    with pytest.raises(CrossnerError, match=r"C074.*language nope"):
        train(CONFIGS / "crf.cfg", tmp_path / "out", epochs=1, overrides={**overrides, "nlp.lang": "nope"})
