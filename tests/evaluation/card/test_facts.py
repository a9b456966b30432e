"""What counts as known: data that no stage has used, and encoders."""

import json
import shutil
from dataclasses import replace

import pytest

from spacy_crossner.evaluation.card.facts import Encoder, Facts, find_layers, read_encoder
from spacy_crossner.evaluation.card.stages import DataSet, Stage
from spacy_crossner.fingerprints import encoder_digest, write_record

TRAIN = DataSet("train.spacy", "train", "as given", ["ai"], 40, {"thing": 9})
AS_IT_WAS, ADAPTED, UNKNOWN = Encoder("mini", False), Encoder("mini", True), Encoder("mini", None)


def stage(*sets, sources=()):
    return Stage({}, {}, list(sets), list(sources))


def facts(*stages, encoders=(AS_IT_WAS,), lists=()):
    return Facts({"lang": "en"}, ["thing"], list(stages), list(encoders), list(lists), None, None, None)


ALL = ["a source set", "raw text", "a list of names"]
SILVER = replace(TRAIN, labels="automatic")
CASES = {
    "direct": (facts(stage(TRAIN)), ALL),
    "source": (facts(stage(TRAIN), stage(TRAIN)), ALL[1:]),
    "joint": (facts(stage(TRAIN, replace(TRAIN, domains=["news"]))), ALL[1:]),
    # A list may have selected the raw text.
    "adapted": (facts(stage(TRAIN), encoders=[ADAPTED]), ALL[:1]),
    "encoder not known": (facts(stage(TRAIN), encoders=[UNKNOWN]), ALL[:1]),
    "word vectors": (facts(stage(TRAIN), encoders=[]), ALL[:1]),
    "features": (facts(stage(TRAIN), lists=["names.tsv"]), ALL[:2]),
    "silver": (facts(stage(TRAIN, SILVER)), ALL[:1]),
    "unlabelled": (facts(stage(TRAIN, replace(TRAIN, labels="none"))), [ALL[0], ALL[2]]),
    "data not known": (facts(stage(DataSet("train.spacy", "train"))), []),
    "source not known": (facts(stage(TRAIN, sources=["elsewhere"])), []),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_is_known_to_be_unused_is_called_so(case):
    found, expected = CASES[case]
    assert found.unused == expected


def test_automatic_labels_are_no_training_entities():
    assert facts(stage(TRAIN, SILVER)).trained_on == {"thing": 9}
    assert facts(stage(SILVER)).trained_on is None


@pytest.fixture
def adapted(tmp_path, tiny_encoder):
    """Give an adapted encoder, and a stage that has begun with it."""
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    write_record(tmp_path / "encoder", {"the text": "0a"}, [], base="mini", corpus={"lines to train on": 7})
    path = str(tmp_path / "encoder")
    return path, Stage({}, {"fingerprint": {f"the content of {path}": encoder_digest(path)}}, [], [])


def test_an_adapted_encoder_is_named_by_the_original_one(adapted, tmp_path):
    path, of_encoder = adapted
    assert read_encoder(path, [stage(), of_encoder]) == Encoder("mini", True, {"lines to train on": 7})
    # A project without raw text leaves the original encoder in that place.
    write_record(tmp_path / "encoder", {"the text": "none"}, [], base="mini")
    assert read_encoder(path, [of_encoder]) == Encoder("mini", False)


def test_an_encoder_that_was_adapted_again_is_unknown(adapted, tmp_path):
    path, of_encoder = adapted
    config = json.loads((tmp_path / "encoder" / "config.json").read_text())
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**config, "changed": True}))
    assert read_encoder(path, [of_encoder]) == Encoder("encoder", None)
    shutil.rmtree(path)
    assert read_encoder(path, [of_encoder]) == Encoder("encoder", None)


def test_an_encoder_of_the_hub_is_as_it_was():
    assert read_encoder("an-author/a-model", [stage()]) == Encoder("an-author/a-model", False)


def test_layers_are_found_inside_others():
    inner = {"@architectures": "spacy_crossner.Encoder.v1", "name": "mini"}
    outer = {"@architectures": "spacy_crossner.NameFeatures.v1", "names": "a.tsv", "tok2vec": inner}
    assert list(find_layers({"ner": {"factory": "crf_ner", "model": {"tok2vec": outer}}})) == [outer, inner]
