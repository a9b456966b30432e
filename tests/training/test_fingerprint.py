import pytest
from spacy.util import load_config
from thinc.api import Config

from spacy_crossner.training.fingerprint import take_fingerprint


@pytest.fixture
def files(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "source" / "ner").mkdir(parents=True)
    for name in ("train.spacy", "labels.json", "corpus/a.spacy", "corpus/b.spacy", "source/ner/model", "log.jsonl"):
        (tmp_path / name).write_text(name)
    return tmp_path


def take(files, output="out", use_gpu=-1, **overrides):
    config = {
        "paths": {"train": str(files / "train.spacy")},
        "components": {"ner": {"source": str(files / "source")}, "other": {"source": "no_such_package"}},
        "corpora": {"train": {"path": "${paths.train}"}, "many": {"paths": [str(files / "corpus"), "nowhere"]}},
        "training": {"dropout": 0.1, "logger": {"output_file": str(files / "log.jsonl")}},
        "initialize": {"labels": {"path": str(files / "labels.json")}, "text": "x" * 9999},
    }
    Config(config).to_disk(files / "config.cfg")
    complete = load_config(files / "config.cfg", overrides=overrides, interpolate=True)
    return take_fingerprint(complete, files / output, use_gpu)


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("train.spacy", "train.spacy"),
        ("labels.json", "labels.json"),
        ("corpus/b.spacy", "corpus"),
        ("corpus/c.spacy", "corpus"),
        ("source/ner/model", "source"),
    ],
)
def test_the_content_of_what_is_read_counts(name, setting, files):
    before = take(files)
    assert take(files) == before
    (files / name).write_text("another")
    assert changed(before, take(files)) == {f"the content of {files / setting}"}


def test_the_names_in_a_folder_count(files):
    before = take(files)
    (files / "corpus/b.spacy").rename(files / "corpus/c.spacy")
    assert changed(before, take(files)) == {f"the content of {files}/corpus"}


def test_what_is_written_does_not_count(files):
    before = take(files, output="corpus/out")
    (files / "log.jsonl").write_text("a row")
    (files / "corpus/out/checkpoint").mkdir(parents=True)
    (files / "corpus/out/checkpoint/state").write_text("new")
    (files / "source/__pycache__").mkdir()
    (files / "source/__pycache__/module.pyc").write_text("new")
    assert take(files, output="corpus/out") == before


def test_settings_versions_and_device_count(files, monkeypatch):
    before = take(files)
    assert changed(before, take(files, **{"training.dropout": 0.2})) == {"training.dropout"}
    assert changed(before, take(files, use_gpu=0)) == {"the device"}
    assert take(files, use_gpu=1) == take(files, use_gpu=0)
    monkeypatch.setattr("spacy_crossner.training.fingerprint.__version__", "0.0.1")
    assert changed(before, take(files)) == {"the version of spacy-crossner"}


def test_a_source_may_be_a_package(files, monkeypatch):
    before = take(files)
    monkeypatch.setattr("spacy.util.is_package", lambda name: name == "no_such_package")
    monkeypatch.setattr("spacy.util.get_package_path", lambda name: files / "corpus")
    assert changed(before, take(files)) == {"the content of no_such_package"}
