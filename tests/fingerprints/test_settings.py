"""The fingerprint of a training: settings, contents of what they name, versions, device."""

import hashlib

import pytest
from spacy.util import load_config
from thinc.api import Config

from spacy_crossner.fingerprints import named_contents, packages, path_digest, take_fingerprint


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
    monkeypatch.setattr("spacy_crossner.fingerprints.packages.__version__", "0.0.1")
    assert changed(before, take(files)) == {"the version of spacy-crossner"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Give the folder of an installed pipeline, `packed_pipeline`, that cannot be imported."""
    folder = tmp_path / "site" / "packed_pipeline"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError")
    (folder / "meta.json").write_text("{}")
    (folder.parent / "packed_pipeline-1.0.dist-info").mkdir()
    (folder.parent / "packed_pipeline-1.0.dist-info" / "METADATA").write_text("Name: packed_pipeline\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    return folder


@pytest.mark.parametrize(
    "setting",
    [
        "components.ner.source",
        "initialize.vectors",
        "initialize.before_init.tokenizer",
        "initialize.before_init.vocab",
    ],
)
def test_a_pipeline_may_be_a_package(package, setting):
    before = named_contents({setting: "packed_pipeline"})
    assert before == {"the content of packed_pipeline": path_digest(package)}
    (package / "meta.json").write_text('{"name": "other"}')
    assert named_contents({setting: "packed_pipeline"}) != before


def test_a_package_that_is_no_pipeline_is_no_content():
    assert named_contents({"initialize.components.ner.labels": ["pytest", "PyYAML"]}) == {}


def test_files_of_the_section_nlp_count(tmp_path):
    (tmp_path / "dict.txt").write_text("a")
    found = named_contents({"nlp.tokenizer.dict_path": "dict.txt"}, folder=tmp_path)
    assert found == {"the content of dict.txt": hashlib.sha256(b"a").hexdigest()}


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"components.ner.factory": "ai"}, False),
        ({"corpora.train.domains.a.domain": "ai", "training.score_weights": None}, False),
        ({"corpora.train.domains.a.path": "ai"}, True),
        ({"initialize.vectors": "ai"}, True),
        ({"components.ner.model.tok2vec.names": ["ai"]}, True),
        ({"initialize.before_init.held_out": ["./ai"]}, True),
        ({"paths.dev": "ai", "initialize.before_init.held_out.dev": "ai"}, True),
    ],
)
def test_a_folder_counts_where_a_setting_is_a_path(tmp_path, settings, read):
    (tmp_path / "ai").mkdir()
    (tmp_path / "ai" / "data").write_text("1")
    found = named_contents(settings, folder=tmp_path)
    assert list(found.values()) == [path_digest(tmp_path / "ai")] * read


def test_the_encoder_that_a_component_names_is_part_of_a_training(encoder, change_one_weight):
    config = {"components": {"ner": {"model": {"tok2vec": {"name": str(encoder)}}}}, "training": {}}
    before = take_fingerprint(config, encoder.parent / "out")
    change_one_weight(encoder)
    assert changed(before, take_fingerprint(config, encoder.parent / "out")) == {f"the content of {encoder}"}


@pytest.mark.parametrize("package", ["torch", "spacy", "thinc", "transformers", "tokenizers", "spacy-transformers"])
def test_the_version_of_each_package_counts(package, files, monkeypatch):
    before = take(files)
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "99" if name == package else real(name))
    assert changed(before, take(files)) == {f"the version of {package}"}
