"""A stage that is killed and given again ends as an unbroken one: the same files, byte for byte."""

import json
import pickle
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.ml import FeatureExtractor
from spacy.pipeline import Pipe
from spacy.tokens import Doc
from spacy.util import load_config, registry
from thinc.api import Config, HashEmbed, Model, Optimizer, Shim, chain, with_array
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.fingerprints import RECORD
from spacy_crossner.training import train as module
from spacy_crossner.training.train import train

CRF_CONFIG = Path(__file__).parents[2] / "configs" / "crf.cfg"
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
        "nlp": {"lang": "en", "pipeline": ["ner"]},
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
    # Longer, so that it gets better than it was.
    config["training"]["max_epochs"] = 4
    config["training"]["before_update"] = {**chain, "*": {"ramp": ramp, "stop": config["training"]["before_update"]}}
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
    distilled_config,
    mean_teacher_config,
    patient_config,
    radam_config,
    sgd_config,
]
parametrize_configs = pytest.mark.parametrize("make", CONFIGS, ids=lambda make: make.__name__.removesuffix("_config"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, annotated_docs, tiny_encoder):
    folder = tmp_path_factory.mktemp("corpus")
    nlp = spacy.blank("en")
    docs = annotated_docs(nlp)
    write_docbin([*docs, Doc(nlp.vocab), *docs[:3], Doc(nlp.vocab)], folder / "train.spacy")
    write_docbin([doc for full in docs[:10] for doc in (full, Doc(nlp.vocab))], folder / "half_empty.spacy")
    write_docbin([*docs[::2], Doc(nlp.vocab, words=["Elsewhere", "!"])], folder / "dev.spacy")
    (folder / "encoder").symlink_to(tiny_encoder)
    config = write_config(crf_config(folder), folder / "source.cfg")
    train(config, folder / "out")
    (folder / "out" / "model-best").rename(folder / "source")
    return folder


@pytest.fixture(autouse=True)
def _no_stops():
    STOPS.clear()


def write_config(config, path):
    Config(config).to_disk(path)
    return path


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

    What the output was made of is left out: spaCy writes none.
    """
    return {
        path.relative_to(folder).as_posix(): srsly.read_json(path) if path.suffix == ".json" else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != RECORD
    }


def different(found, expected):
    """Return which files differ; the log under the name None."""
    names = found[0].keys() | expected[0].keys()
    files = sorted(name for name in names if found[0].get(name) != expected[0].get(name))
    return files + [None] * (found[1] != expected[1])


@pytest.fixture(scope="module")
def unbroken(corpus, tmp_path_factory):
    """Give a function that says how a config ends without a break."""
    done = {}

    def get(make):
        if make not in done:
            done[make] = run(make(corpus), tmp_path_factory.mktemp(make.__name__))
        return done[make]

    return get


@parametrize_configs
def test_the_loop_is_that_of_spacy(make, corpus, unbroken, tmp_path):
    config = make(corpus)
    spacy_train(write_config(config, tmp_path / "config.cfg"), tmp_path / "out")
    assert different(results(config, tmp_path / "out"), unbroken(make)) == []


def test_configs_are_fit_to_show_a_difference(unbroken):
    for make in CONFIGS:
        files, rows = unbroken(make)
        steps = range(0, {patient_config: 6, sourced_config: 9}.get(make, STEPS) + 1, 1 if make is single_config else 3)
        assert [row["step"] for row in rows] == list(steps)
        if make is patient_config:
            continue
        # The best is not the first, and neither is it the last.
        assert files["model-best/ner/model"] != files["model-last/ner/model"]
        if make is not thinc_config:
            assert max(rows, key=lambda row: row["score"])["step"] > 0, make


@parametrize_configs
def test_an_interrupted_stage_ends_as_an_unbroken_one(make, corpus, unbroken, tmp_path):
    # Before anything, right after a checkpoint, right before one.
    stops = {patient_config: [0, 4, 6], single_config: range(1, 9)}.get(make, [0, 4, 6, 8])
    assert different(run(make(corpus), tmp_path, *stops), unbroken(make)) == []


# The checkpoint after the evaluation at step 6 is called 7.


def stopped(config, folder, *stops, **options):
    """Interrupt a stage, so that its checkpoint stays; return its config and output."""
    STOPS.update(stops)
    path = write_config(config, folder / "config.cfg")
    for _ in stops:
        with pytest.raises(Stopped):
            train(path, folder / "out", **options)
    return path, folder / "out"


def test_a_finished_stage_leaves_no_checkpoint(corpus, unbroken, tmp_path):
    _, output = stopped(crf_config(corpus), tmp_path, 8)
    assert [path.name for path in (output / "checkpoint").iterdir()] == ["7"]
    run(crf_config(corpus), tmp_path)
    assert {path.name for path in output.iterdir()} == {"model-best", "model-last", RECORD}


@pytest.mark.parametrize("make", [crf_config, stream_config, thinc_config])
def test_the_next_checkpoint_of_a_resumed_stage_is_that_of_an_unbroken_one(make, corpus, tmp_path):
    states = []
    for name, stops in (("a", [11]), ("b", [4, 8, 11])):
        (tmp_path / name).mkdir()
        _, output = stopped(make(corpus), tmp_path / name, *stops)
        found = read_files(output / "checkpoint" / "10")
        state = srsly.msgpack_loads(found.pop("state.msgpack"))
        assert state.pop("seconds") > 0
        state["logger"] = srsly.msgpack_loads(state["logger"])
        state["logger"]["lines"] = [{**json.loads(line), "seconds": 0} for line in state["logger"]["lines"]]
        del found["manifest.json"]["files"]["state.msgpack"]
        states.append({**found, **state})
    assert states[0].keys() == states[1].keys()
    assert [name for name in states[0] if states[0][name] != states[1][name]] == []


def test_a_checkpoint_holds_no_pickle(corpus, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("pickled")

    for place, name in ((torch, "save"), (torch, "load"), (pickle, "dump"), (pickle, "dumps"), (pickle, "loads")):
        monkeypatch.setattr(place, name, fail)
    _, output = stopped(thinc_config(corpus), tmp_path, 8)
    (folder,) = (output / "checkpoint").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert names == {"weights.safetensors", "optimizer.safetensors", "state.msgpack", "manifest.json", "best"}
    run(thinc_config(corpus), tmp_path)


CHANGES = {
    "setting": ({"training.dropout": 0.2}, "training.dropout"),
    "seed": ({"training.seed": 5}, "training.seed"),
    "length": ({"training.max_steps": 14}, "training.max_steps"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_config_starts_from_the_beginning(change, corpus, tmp_path, capsys):
    overrides, name = CHANGES[change]
    path, output = stopped(crf_config(corpus), tmp_path, 8)
    train(path, tmp_path / "expected", overrides=overrides)
    expected = read_files(tmp_path / "expected")
    capsys.readouterr()
    train(path, output, overrides=overrides)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"Training starts from the beginning: not as for the checkpoint in {output}/checkpoint/7: {name}" in printed
    assert "goes on" not in printed
    assert read_files(output) == expected


def test_other_data_starts_from_the_beginning(corpus, tmp_path, capsys):
    for name in ("train.spacy", "dev.spacy"):
        shutil.copy(corpus / name, tmp_path / name)
    stopped(crf_config(tmp_path), tmp_path, 8)
    # The same name, time and size would not give it away.
    shutil.copy(corpus / "dev.spacy", tmp_path / "train.spacy")
    capsys.readouterr()
    found = run(crf_config(tmp_path), tmp_path)
    assert f"the content of {tmp_path}/train.spacy" in " ".join(capsys.readouterr().out.split())
    assert found == run(crf_config(tmp_path), tmp_path)


def test_no_resume_starts_from_the_beginning(corpus, unbroken, tmp_path):
    config = crf_config(corpus)
    path, output = stopped(config, tmp_path, 8)
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output), "--no-resume"])
    assert result.exit_code == 0
    assert "goes on" not in result.output
    assert different(results(config, output), unbroken(crf_config)) == []
    shutil.rmtree(output)
    stopped(config, tmp_path, 8)
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output)])
    assert "Training goes on after 7 steps" in result.output


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("weights.safetensors", flip),
        ("state.msgpack", cut),
        ("manifest.json", cut),
        ("manifest.json", Path.unlink),
        ("best/ner/model", Path.unlink),
    ],
)
def test_a_damaged_checkpoint_is_passed_over(name, damage, corpus, unbroken, tmp_path, capsys):
    config = crf_config(corpus)
    _, output = stopped(config, tmp_path, 8)
    (folder,) = (output / "checkpoint").iterdir()
    damage(folder / name)
    capsys.readouterr()
    found = run(config, tmp_path)
    printed = capsys.readouterr().out
    assert "Training starts from the beginning" in printed
    assert "goes on" not in printed
    assert different(found, unbroken(crf_config)) == []


def test_an_older_checkpoint_takes_the_place_of_a_damaged_one(corpus, unbroken, tmp_path, capsys):
    config = crf_config(corpus)
    _, output = stopped(config, tmp_path, 5)
    shutil.copytree(output / "checkpoint" / "4", tmp_path / "4")
    stopped(config, tmp_path, 8)
    (tmp_path / "4").rename(output / "checkpoint" / "4")
    flip(output / "checkpoint" / "7" / "optimizer.safetensors")
    (output / "checkpoint" / ".10.tmp").mkdir()
    capsys.readouterr()
    found = run(config, tmp_path)
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        f"[C021] The checkpoint {output}/checkpoint/7 is damaged and is passed over: optimizer.safetensors" in printed
    )
    assert "was not complete when training was stopped" in printed
    assert f"Training goes on after 4 steps, from the checkpoint in {output}/checkpoint/4" in printed
    assert different(found, unbroken(crf_config)) == []


def test_a_checkpoint_that_does_not_fit_is_an_error(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "take_fingerprint", lambda *args, **options: {})
    config = crf_config(corpus)
    stopped(config, tmp_path, 8)
    wider = crf_config(corpus)
    wider["components"]["ner"] = json.loads(json.dumps(CRF).replace('"width": 16', '"width": 18'))
    path = write_config(wider, tmp_path / "wider.cfg")
    with pytest.raises(CrossnerError, match=r"C020.*checkpoint/7.*shape of 'ner/.*--no-resume"):
        train(path, tmp_path / "out")
    train(path, tmp_path / "out", resume=False)


@registry.optimizers("test_checkpoint.Foreign.v1")
class Foreign(Optimizer):
    """An optimizer that may have any state."""


def test_a_foreign_optimizer_trains_without_checkpoints(corpus, tmp_path, capsys):
    config = crf_config(corpus)
    config["training"]["optimizer"] = {"@optimizers": "test_checkpoint.Foreign.v1", "learn_rate": 0.01}
    _, output = stopped(config, tmp_path, 8)
    assert "[C022] This stage writes no checkpoints" in capsys.readouterr().out
    assert not (output / "checkpoint").exists()
    found = run(config, tmp_path)
    assert "goes on" not in capsys.readouterr().out
    assert different(found, run(config, tmp_path)) == []


@registry.architectures("test_checkpoint.NumberedEmbed.v1")
def build_numbered_embed():
    """Build embeddings whose hash is seeded with the number of the layer, as thinc does without a seed."""
    return chain(FeatureExtractor(["NORM"]), with_array(HashEmbed(16, 50, column=0)))


def test_the_numbers_of_layers_do_not_matter(corpus, tmp_path, monkeypatch):
    config = crf_config(corpus)
    tok2vec = {"@architectures": "test_checkpoint.NumberedEmbed.v1"}
    config["components"] = {"ner": {**CRF, "model": {**CRF["model"], "tok2vec": tok2vec}}}
    found = []
    for name, stops in (("a", ()), ("b", (8,))):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(Model, "global_id", 10_000)
        monkeypatch.setattr(Shim, "global_id", 10_000)
        stopped(config, tmp_path / name, *stops)
        if stops:
            monkeypatch.setattr(Model, "global_id", 77_777)
            monkeypatch.setattr(Shim, "global_id", 99_999)
        found.append(run(config, tmp_path / name))
    assert different(*found) == []


@Language.factory("test_checkpoint_counter")
class Counter(Pipe):
    """A pipe with a state that is not in its weights."""

    def __init__(self, nlp, name):
        self.seen = []

    def __call__(self, doc):
        return doc

    def update(self, examples, *, drop=0.0, sgd=None, losses=None):
        self.seen.append(len(examples))

    def training_state_to_bytes(self):
        return srsly.msgpack_dumps(self.seen)

    def training_state_from_bytes(self, bytes_data):
        self.seen = srsly.msgpack_loads(bytes_data)

    def to_disk(self, path, exclude=()):
        path.write_bytes(self.training_state_to_bytes())


def test_a_pipe_with_a_training_state_takes_part(corpus, tmp_path):
    config = crf_config(corpus)
    config["nlp"]["pipeline"] = ["counter", "ner"]
    config["components"] = {**config["components"], "counter": {"factory": "test_checkpoint_counter"}}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found, expected = run(config, tmp_path / "a", 4, 8), run(config, tmp_path / "b")
    assert different(found, expected) == []
    assert len(srsly.msgpack_loads(found[0]["model-last/counter"])) == STEPS + 1


# What a kill leaves, which no `finally` tidies up.

KILL = """
import os, pathlib, signal, sys
from spacy_crossner.training import checkpoint, state
from spacy_crossner.training.train import train

def kill(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def save_half(tensors, path):
    save_file(tensors, path)
    if "/.7.tmp/" in str(path):
        os.truncate(path, 100)
        kill()

place, config, output = sys.argv[1:]
save_file = state.save_file
if place == "in a checkpoint":
    state.save_file = save_half
elif place == "between two renamings":
    rename = pathlib.Path.rename
    pathlib.Path.rename = lambda path, to: kill() if path.name == ".model-best.tmp" and to.exists() is False and (
        path.parent / ".model-best.old").exists() else rename(path, to)
elif place == "at the end":
    checkpoint.Checkpoints.remove = kill
train(pathlib.Path(config), pathlib.Path(output))
"""


def test_a_kill_at_any_place(corpus, tmp_path):
    config = crf_config(corpus)
    del config["training"]["before_update"]
    (tmp_path / "expected").mkdir()
    expected = run(config, tmp_path / "expected")
    path, output = write_config(config, tmp_path / "config.cfg"), tmp_path / "out"
    left = {
        "in a checkpoint": {"4", ".7.tmp"},
        "between two renamings": {"4", ".7.tmp"},
        "at the end": {"13"},
    }
    for place, names in left.items():
        code = subprocess.run([sys.executable, "-c", KILL, place, path, output], capture_output=True).returncode
        assert code == -signal.SIGKILL
        assert {folder.name for folder in (output / "checkpoint").iterdir()} == names
    result = CliRunner().invoke(app, ["train", str(path), "--output", str(output)])
    assert "Training goes on after 13 steps" in result.output
    assert different(results(config, output), expected) == []
