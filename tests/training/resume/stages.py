"""Configs of stages with all kinds of state, and how a stage is run with interruptions."""

import random
from pathlib import Path

import pytest
import srsly
from spacy.util import load_config, registry
from thinc.api import Config

from spacy_crossner.encoders.encoder import word_encoder
from spacy_crossner.fingerprints import RECORD
from spacy_crossner.training.log import CURVE, LOG
from spacy_crossner.training.train import train

CRF_CONFIG = Path(__file__).parents[3] / "configs" / "crf.cfg"
STEPS, FREQUENCY = 13, 3
TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16, "upstream": "*"}
CRF = {"factory": "crf_ner", "model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": TOK2VEC}}


class Stopped(Exception):
    """Stands for whatever may end a stage."""


# Steps before which training stops, once each.
STOPS = set()


@registry.callbacks("test_checkpoint.stop.v1")
def create_stop():
    def stop(nlp, args):
        # Draws between two batches, as other callbacks may.
        random.random()
        if args["step"] in STOPS:
            STOPS.remove(args["step"])
            raise Stopped

    return stop


def crf_config(corpus):
    """Make a config with all that has a random state of its own: reader, batcher and dropout."""
    reader = {"@readers": "spacy_crossner.DomainReader.v1", "shuffle": True}
    return {
        "nlp": {"lang": "xx", "pipeline": ["ner"]},
        "components": {"ner": CRF},
        "corpora": {
            "train": {**reader, "seed": 1, "domains": {"here": {"path": str(corpus / "train.spacy")}}},
            "dev": {**reader, "seed": 2, "domains": {"here": {"path": str(corpus / "dev.spacy")}}},
        },
        "training": {
            "train_corpus": "corpora.train",
            "dev_corpus": "corpora.dev",
            "seed": 3,
            "gpu_allocator": None,
            "dropout": 0.3,
            "max_steps": STEPS,
            "eval_frequency": FREQUENCY,
            "patience": 0,
            "before_update": {"@callbacks": "test_checkpoint.stop.v1"},
            "batcher": {"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8, "pool": 2, "seed": 4},
            "optimizer": {"@optimizers": "spacy_crossner.HeadAdamW.v1", "encoder_rate": 0.01, "total_steps": 20},
            "logger": {"@loggers": "spacy_crossner.TermLogger.v1", "output_file": str(corpus / "log.jsonl")},
            "score_weights": {"ents_f": 1.0},
        },
        "initialize": {},
    }


def call_first(config, callback):
    """Let training call another callback before the one that may stop it."""
    callbacks = {"first": callback, "stop": config["training"]["before_update"]}
    config["training"]["before_update"] = {"@callbacks": "spacy_crossner.chain.v1", "*": callbacks}


def stream_config(corpus):
    """Read the corpus anew in each pass, and let dev take its docs from the same reader."""
    config = crf_config(corpus)
    config["training"].update(max_epochs=-1, dev_corpus="corpora.train", accumulate_gradient=2)
    config["initialize"] = {"components": {"ner": {"labels": ["person", "place", "thing"]}}}
    return config


def single_config(corpus):
    """Train on one doc at a time, half of them empty: there the moments move the weights without a gradient."""
    config = crf_config(corpus)
    config["corpora"]["train"]["domains"]["here"]["path"] = str(corpus / "half_empty.spacy")
    config["training"]["batcher"]["size"] = 1
    config["training"]["eval_frequency"] = 1
    return config


def thinc_config(corpus):
    """Train spaCy's `ner`, which draws from Python's generator, with thinc's Adam, averages and schedules."""
    config = crf_config(corpus)
    config["nlp"]["pipeline"] = ["tok2vec", "ner"]
    ner = {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "tok2vec": LISTENER}
    ner.update(extra_state_tokens=False, hidden_width=16, maxout_pieces=2, use_upper=True, nO=None)
    config["components"] = {
        "tok2vec": {"factory": "tok2vec", "model": TOK2VEC},
        "ner": {"factory": "ner", "update_with_oracle_cut_size": 4, "model": ner},
    }
    config["corpora"]["train"] = {
        "@readers": "spacy.Corpus.v1",
        "path": str(corpus / "train.spacy"),
        "augmenter": {"@augmenters": "spacy.lower_case.v1", "level": 0.5},
    }
    rate = {"@schedules": "warmup_linear.v1", "initial_rate": 0.02, "warmup_steps": 4, "total_steps": 20}
    size = {"@schedules": "compounding.v1", "start": 20, "stop": 60, "compound": 1.1}
    config["training"].update(
        max_epochs=-1,
        optimizer={"@optimizers": "Adam.v1", "learn_rate": rate, "use_averages": True},
        batcher={"@batchers": "spacy.batch_by_words.v1", "size": size},
    )
    config["initialize"] = {"components": {"ner": {"labels": {"@readers": "test_checkpoint.moves.v1"}}}}
    return config


@registry.readers("test_checkpoint.moves.v1")
def moves():
    """Give labels in the form that spaCy's `ner` takes."""
    labels = dict.fromkeys(["person", "place", "thing"], 1)
    return {"0": {}, "1": labels, "2": labels, "3": labels, "4": {"": 1, **labels}, "5": {"": 1}}


def sourced_config(corpus):
    """Go on with a component that was trained before, beside a frozen one that annotates."""
    source = {"source": str(corpus / "source"), "component": "ner"}
    config = crf_config(corpus)
    config["nlp"]["pipeline"] = ["first", "ner"]
    config["components"] = {"first": source, "ner": source}
    config["training"].update(frozen_components=["first"], annotating_components=["first"], max_epochs=3)
    return config


def patient_config(corpus):
    """Learn nothing, so that patience ends the stage after step 6."""
    config = crf_config(corpus)
    config["training"].update(patience=6)
    config["training"]["optimizer"].update(encoder_rate=0.0, head_rate=0.0)
    return config


def transformer_config(corpus):
    """Train an encoder of the Hugging Face kind with the project's own config."""
    settings = crf_config(corpus)
    names = ("train_corpus", "dev_corpus", "seed", "gpu_allocator", "max_steps", "eval_frequency", "before_update")
    paths = {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy"), "encoder": str(corpus / "encoder")}
    config = load_config(CRF_CONFIG, overrides={f"paths.{name}": path for name, path in paths.items()})
    config["training"].update({name: settings["training"][name] for name in (*names, "logger")})
    config["training"]["optimizer"].update(encoder_rate=0.01, head_rate=0.02, total_steps=20)
    config["nlp"]["lang"] = settings["nlp"]["lang"]
    return config


def names_config(corpus):
    """Train an encoder with features of names, of which some are dropped at random."""
    config = transformer_config(corpus)
    config["components"]["ner"]["model"]["tok2vec"].update(names=str(corpus / "names.tsv"), names_drop=0.5)
    return config


@registry.callbacks("test_checkpoint.large_scale.v1")
def create_large_scale():
    """Set a factor with which gradients in fp16 overflow, until it has been halved ten times."""

    def set_scale(nlp, args):
        if args["step"] == 0:
            word_encoder(nlp.get_pipe("ner").model.get_ref("tok2vec"))._loss_scale.scale = 2.0**28

    return set_scale


def fp16_config(corpus):
    """Train an encoder in fp16, whose first updates are left out because their gradients overflow."""
    config = transformer_config(corpus)
    config["components"]["ner"]["model"]["tok2vec"]["train_precision"] = "fp16"
    call_first(config, {"@callbacks": "test_checkpoint.large_scale.v1"})
    return config


def distilled_config(corpus):
    """Train a sourced component with losses of this stage: from a teacher that follows it, ever more."""
    config = sourced_config(corpus)
    losses = {
        "nll": {"@losses": "spacy_crossner.TagLikelihood.v1"},
        "distillation": {"@losses": "spacy_crossner.Distillation.v1", "average": "tokens", "domain": None},
        "vat": {"@losses": "spacy_crossner.VirtualAdversarial.v1", "weight": 0.2},
    }
    teacher = {"@callbacks": "spacy_crossner.attach_teacher.v1", "component": "ner", "every": 5}
    loss = {"@callbacks": "spacy_crossner.set_losses.v1", "component": "ner", "losses": losses}
    ramp = {"@callbacks": "spacy_crossner.ramp_weight.v1", "component": "ner", "term": "distillation"}
    ramp.update(end=0.3, first=2, last=9)
    chain = {"@callbacks": "spacy_crossner.chain.v1"}
    config["initialize"] = {"after_init": {**chain, "*": {"loss": loss, "teacher": teacher}}}
    # Longer and with less dropout, so that it gets better than it was.
    config["training"].update(max_epochs=4, dropout=0.1)
    call_first(config, ramp)
    return config


def mean_teacher_config(corpus):
    """Train from the moving average of the component and of the encoder that it listens to."""
    config = transformer_config(corpus)
    distillation = {"@losses": "spacy_crossner.Distillation.v1", "domain": None, "weight": 0.3}
    likelihood = {"@losses": "spacy_crossner.TagLikelihood.v1"}
    config["components"]["ner"]["losses"] = {"nll": likelihood, "distillation": distillation}
    teacher = {"@callbacks": "spacy_crossner.attach_teacher.v1", "component": "ner", "decay": 0.8}
    config["initialize"]["after_init"] = teacher
    return config


def unscored_config(corpus):
    """Leave out the evaluation at step 0."""
    config = crf_config(corpus)
    call_first(config, {"@callbacks": "spacy_crossner.skip_first_evaluation.v1"})
    return config


def radam_config(corpus):
    config = crf_config(corpus)
    config["training"]["optimizer"] = {"@optimizers": "RAdam.v1", "learn_rate": 0.02}
    return config


def sgd_config(corpus):
    config = crf_config(corpus)
    config["training"]["optimizer"] = {"@optimizers": "SGD.v1", "learn_rate": 0.1, "L2": 0.01}
    return config


CONFIGS = [
    crf_config,
    stream_config,
    single_config,
    thinc_config,
    sourced_config,
    transformer_config,
    names_config,
    distilled_config,
    mean_teacher_config,
    patient_config,
    unscored_config,
    radam_config,
    sgd_config,
]
parametrize_configs = pytest.mark.parametrize("make", CONFIGS, ids=lambda make: make.__name__.removesuffix("_config"))


def write_config(config, path):
    Config(config).to_disk(path)
    return path


def stopped(config, folder, *stops, **options):
    """Interrupt a stage, so that its checkpoint stays; return its config and output."""
    STOPS.update(stops)
    path = write_config(config, folder / "config.cfg")
    for _ in stops:
        with pytest.raises(Stopped):
            train(path, folder / "out", **options)
    return path, folder / "out"


def run(config, folder, *stops, **options):
    """Train with an interruption before each of the steps; return the files and the log without the clock's part."""
    STOPS.update(stops)
    path = write_config(config, folder / "config.cfg")
    for _ in stops:
        with pytest.raises(Stopped):
            train(path, folder / "out", **options)
    train(path, folder / "out", **options)
    assert not STOPS
    return results(config, folder / "out")


def results(config, output):
    log = srsly.read_jsonl(config["training"]["logger"]["output_file"])
    return read_files(output), [{**row, "seconds": None} for row in log]


def read_files(folder):
    """Return the content of all files; that of JSON as it is read, as the order of a set may be in it.

    What spaCy does not write is left out: what the output was made of, and our own log and curve.
    """
    return {
        path.relative_to(folder).as_posix(): srsly.read_json(path) if path.suffix == ".json" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (RECORD, LOG, CURVE)
    }


def different(found, expected):
    """Return which files differ; the log under the name None."""
    names = found[0].keys() | expected[0].keys()
    files = sorted(name for name in names if found[0].get(name) != expected[0].get(name))
    return files + [None] * (found[1] != expected[1])
