"""A stage that is stopped and given again ends as an unbroken one: the same files, byte for byte."""

import json

import pytest
import srsly
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.ml import FeatureExtractor
from spacy.pipeline import Pipe
from spacy.util import registry
from thinc.api import HashEmbed, Model, Optimizer, Shim, chain, with_array

from spacy_crossner.training.log import read_log

from .stages import (
    CONFIGS,
    CRF,
    STEPS,
    crf_config,
    different,
    fp16_config,
    mean_teacher_config,
    parametrize_configs,
    patient_config,
    read_files,
    results,
    run,
    single_config,
    sourced_config,
    stopped,
    stream_config,
    thinc_config,
    unscored_config,
    write_config,
)


@parametrize_configs
def test_the_loop_is_that_of_spacy(make, corpus, unbroken, tmp_path):
    config = make(corpus)
    spacy_train(write_config(config, tmp_path / "config.cfg"), tmp_path / "out")
    assert different(results(config, tmp_path / "out"), unbroken(make)) == []


def test_configs_are_fit_to_show_a_difference(unbroken):
    for make in CONFIGS:
        files, rows = unbroken(make)
        steps = range(0, {patient_config: 6, sourced_config: 9}.get(make, STEPS) + 1, 1 if make is single_config else 3)
        assert [row["step"] for row in rows] == list(steps)[make is unscored_config :]
        if make is patient_config:
            continue
        # The best is not the first, and neither is it the last.
        assert files["model-best/ner/model"] != files["model-last/ner/model"]
        if make is not thinc_config:
            assert max(rows, key=lambda row: row["score"])["step"] > 0, make


@parametrize_configs
def test_an_interrupted_stage_ends_as_an_unbroken_one(make, corpus, unbroken, tmp_path):
    # After a checkpoint and another batch; patience ends the stage after step 6.
    stop = 4 if make is patient_config else 8
    assert different(run(make(corpus), tmp_path, stop), unbroken(make)) == []


def test_an_interrupted_stage_in_fp16_ends_as_an_unbroken_one(corpus, unbroken, tmp_path):
    # The gradients still overflow, so with the first factor the next updates would not be left out.
    assert different(run(fp16_config(corpus), tmp_path, 8), unbroken(fp16_config)) == []


def test_new_labels_that_begin_from_vectors_keep_what_they_have_learned(corpus, tmp_path):
    config = sourced_config(corpus)
    labels = {"@callbacks": "spacy_crossner.add_labels.v1", "component": "ner", "labels": ["planet"]}
    rows = {"@callbacks": "spacy_crossner.init_label_rows.v1", "component": "ner"}
    rows["domains"] = config["corpora"]["train"]["domains"]
    chain = {"@callbacks": "spacy_crossner.chain.v1", "*": {"labels": labels, "rows": rows}}
    config["initialize"] = {"after_init": chain}
    for name in ("unbroken", "stopped", "random"):
        (tmp_path / name).mkdir()
    unbroken = run(config, tmp_path / "unbroken")
    assert different(run(config, tmp_path / "stopped", 8), unbroken) == []
    del chain["*"]["rows"]
    assert "model-last/ner/model" in different(run(config, tmp_path / "random"), unbroken)


# The kinds of state: that of readers and batchers, of thinc's optimizer and schedules, of a teacher; and no score yet.
parametrize_states = pytest.mark.parametrize(
    "make", [stream_config, thinc_config, mean_teacher_config, unscored_config]
)


@parametrize_states
def test_a_stage_that_is_stopped_several_times_ends_as_an_unbroken_one(make, corpus, unbroken, tmp_path):
    # Before anything, right after a checkpoint, right before one.
    assert different(run(make(corpus), tmp_path, 0, 4, 6), unbroken(make)) == []


@pytest.mark.parametrize("make", [crf_config, stream_config, thinc_config])
def test_the_next_checkpoint_of_a_resumed_stage_is_that_of_an_unbroken_one(make, corpus, tmp_path):
    states = []
    for name, stops in (("a", [11]), ("b", [4, 8, 11])):
        (tmp_path / name).mkdir()
        _, output = stopped(make(corpus), tmp_path / name, *stops)
        found = read_files(output / "checkpoint" / "10")
        state = srsly.msgpack_loads(found.pop("state.msgpack"))
        assert state.pop("seconds") > 0
        state["log"] = [{**row, "seconds": 0} for row in state["log"]]
        state["logger"] = srsly.msgpack_loads(state["logger"])
        state["logger"]["lines"] = [{**json.loads(line), "seconds": 0} for line in state["logger"]["lines"]]
        del found["manifest.json"]["files"]["state.msgpack"]
        states.append({**found, **state})
    assert states[0].keys() == states[1].keys()
    assert [name for name in states[0] if states[0][name] != states[1][name]] == []


def test_the_log_and_the_curve_of_a_resumed_stage_are_whole(corpus, save_curve, monkeypatch, tmp_path):
    monkeypatch.setattr("spacy_crossner.training.train.save_curve", save_curve)
    logs, curves = [], []
    for name, stops in (("unbroken", []), ("stopped", [4, 8])):
        (tmp_path / name).mkdir()
        run(crf_config(corpus), tmp_path / name, *stops)
        logs.append([{**row, "seconds": 0} for row in read_log(tmp_path / name / "out")])
        curves.append((tmp_path / name / "out" / "curve.png").read_bytes())
    assert [row["step"] for row in logs[0]] == [0, 3, 6, 9, 12]
    assert logs[0] == logs[1]
    assert curves[0] == curves[1]
    # The same rows as those of the config's logger.
    lines = srsly.read_jsonl(crf_config(corpus)["training"]["logger"]["output_file"])
    assert [{**line, "seconds": 0} for line in lines] == logs[0]


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
    assert "resumes after" not in capsys.readouterr().out
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
