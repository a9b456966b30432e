"""Which training a pipeline is from: that of self-training is the one of its teachers."""

import json

import pytest

from spacy_crossner.evaluation.card.records import find_training, is_recorded
from spacy_crossner.fingerprints import path_digest, write_record

SETTINGS = {"training.max_steps": "9", "system.seed": "4"}


def write_model(folder, content):
    (folder / "model-best").mkdir(parents=True)
    (folder / "model-best" / "weights").write_text(content)
    return folder / "model-best"


@pytest.fixture
def output(tmp_path):
    """Give a folder as `self-train` leaves it, with the teachers of a round and the mean of their weights."""
    teachers = tmp_path / "round-1" / "teachers"
    digests = {}
    for seed in ("1", "2"):
        digests[seed] = path_digest(write_model(teachers / seed, seed))
        write_record(teachers / seed, {**SETTINGS, "system.seed": seed}, ["model-best"])
    write_model(teachers / "average", "mean")
    write_record(teachers / "average", digests, ["model-best"])
    return tmp_path


@pytest.mark.parametrize(("saved", "seed", "seeds"), [("2", "2", None), ("mean", "1", "2")])
def test_the_training_of_self_training_is_that_of_its_teachers(output, saved, seed, seeds):
    model = write_model(output, saved)
    write_record(output, {"the pipeline": path_digest(model)}, ["model-best"])
    found = find_training(model)["fingerprint"]
    assert found["training.max_steps"] == "9"
    assert (found["system.seed"], found.get("seeds")) == (seed, seeds)


def test_a_record_of_another_pipeline_is_not_taken(output):
    model = write_model(output, "other")
    assert find_training(model) == {}
    write_record(output, SETTINGS, ["model-best"])
    assert find_training(model)["fingerprint"] == SETTINGS
    (model / "weights").write_text("changed")
    assert find_training(model) == {}


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_a_damaged_record_is_no_record(output, content):
    model = write_model(output, "other")
    (output / "fingerprint.json").write_text(content)
    assert find_training(model) == {}


def test_the_training_of_a_calibrated_pipeline_is_that_of_the_one_before(output):
    model = write_model(output, "trained")
    write_record(output, SETTINGS, ["model-best"])
    (output / "calibrated").mkdir()
    assert find_training(output / "calibrated") == {}
    assert find_training(output / "calibrated", {"pipeline": path_digest(model)})["fingerprint"] == SETTINGS


def test_a_file_is_recorded_if_it_is_unchanged(tmp_path):
    path = tmp_path / "train.spacy"
    path.write_text("data")
    fingerprint = {f"the content of {path}": path_digest(path)}
    assert is_recorded(str(path), fingerprint)
    path.write_text(json.dumps("other data"))
    assert not is_recorded(str(path), fingerprint)
    path.unlink()
    assert not is_recorded(str(path), {f"the content of {path}": ""})
