import hashlib
import os
import shutil

import pytest
from safetensors.torch import load_file, save_file
from spacy.util import load_config
from thinc.api import Config

from spacy_crossner import fingerprints
from spacy_crossner.fingerprints import (
    RECORD,
    encoder_digest,
    file_digest,
    is_up_to_date,
    named_contents,
    path_digest,
    take_fingerprint,
    write_record,
)


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
    monkeypatch.setattr("spacy_crossner.fingerprints.__version__", "0.0.1")
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


def test_files_behind_a_link_to_a_folder_count(tmp_path):
    for name in ("corpus", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "a.spacy").write_text("1")
    plain = path_digest(tmp_path / "outside")
    (tmp_path / "corpus" / "part").symlink_to(tmp_path / "outside", target_is_directory=True)
    before = path_digest(tmp_path / "corpus")
    (tmp_path / "outside" / "a.spacy").write_text("2")
    assert path_digest(tmp_path / "corpus") != before
    # Links back, and twice to the same, end.
    (tmp_path / "outside" / "a.spacy").write_text("1")
    assert path_digest(tmp_path / "corpus") == before
    (tmp_path / "outside" / "up").symlink_to(tmp_path / "corpus", target_is_directory=True)
    looped = path_digest(tmp_path / "corpus")
    assert looped != before
    (tmp_path / "corpus" / "more").symlink_to(tmp_path / "outside", target_is_directory=True)
    assert path_digest(tmp_path / "corpus") not in (looped, before)
    assert path_digest(tmp_path / "outside") != plain


@pytest.mark.parametrize(
    ("settings", "read"),
    [
        ({"components.ner.factory": "ai"}, False),
        ({"corpora.train.domains.a.domain": "ai", "training.score_weights": None}, False),
        ({"corpora.train.domains.a.path": "ai"}, True),
        ({"initialize.vectors": "ai"}, True),
        ({"initialize.before_init.held_out": ["./ai"]}, True),
        ({"paths.dev": "ai", "initialize.before_init.held_out.dev": "ai"}, True),
    ],
)
def test_a_folder_counts_where_a_setting_is_a_path(tmp_path, settings, read):
    (tmp_path / "ai").mkdir()
    (tmp_path / "ai" / "data").write_text("1")
    found = named_contents(settings, folder=tmp_path)
    assert list(found.values()) == [path_digest(tmp_path / "ai")] * read


@pytest.fixture
def encoder(files, tiny_encoder):
    shutil.copytree(tiny_encoder, files / "encoder")
    return files / "encoder"


def add_one(folder):
    """Change one weight of an encoder and keep the size and the time of its file."""
    path = folder / "model.safetensors"
    before = path.stat()
    weights = load_file(path)
    weights["embeddings.LayerNorm.bias"][3] += 1
    save_file(weights, path, metadata={"format": "pt"})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size


def test_one_weight_of_an_encoder_counts(encoder):
    before = encoder_digest(str(encoder))
    assert encoder_digest(str(encoder)) == before
    add_one(encoder)
    assert encoder_digest(str(encoder)) != before


def test_how_an_encoder_came_about_does_not_count(encoder):
    before = encoder_digest(str(encoder))
    setting = {"components.transformer.model.name": str(encoder)}
    contents = named_contents(setting)
    assert contents == {f"the content of {encoder}": before}
    (encoder / "log.jsonl").write_text('{"tokens_per_second": 1}')
    for name in ("checkpoint", "work"):
        (encoder / name).mkdir()
        (encoder / name / "state").write_text("1")
    assert encoder_digest(str(encoder)) == before
    assert named_contents(setting) == contents


def test_a_folder_here_does_not_hide_an_encoder_in_a_package(encoder, tmp_path, monkeypatch):
    package = tmp_path / "site" / "packed_encoder"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    encoder.rename(package / "model")
    monkeypatch.syspath_prepend(str(package.parent))
    (tmp_path / "packed_encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert encoder_digest("packed_encoder/model") == path_digest(package / "model")


def test_an_encoder_in_a_package_counts(encoder, monkeypatch):
    package = encoder.parent / "packed_encoder"
    package.mkdir()
    (package / "__init__.py").write_text("")
    encoder.rename(package / "model")
    assert encoder_digest("packed_encoder/model") == ""
    monkeypatch.syspath_prepend(str(encoder.parent))
    before = encoder_digest("packed_encoder/model")
    assert before == path_digest(package / "model")
    add_one(package / "model")
    assert encoder_digest("packed_encoder/model") not in ("", before)


def test_an_encoder_on_the_hub_is_known_by_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    folder = tmp_path / "models--some--encoder"
    for commit in ("a1", "b2"):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
    (folder / "refs").mkdir()
    found = []
    for commit in ("a1", "b2"):
        (folder / "refs" / "main").write_text(commit)
        found.append(encoder_digest("some/encoder"))
    assert found == ["commit a1", "commit b2"]
    assert encoder_digest("another/encoder") == ""
    assert encoder_digest("x" * 300) == encoder_digest("a/b/c") == encoder_digest("") == ""


def test_the_encoder_that_a_component_names_is_part_of_a_training(encoder):
    config = {"components": {"transformer": {"model": {"name": str(encoder)}}}, "training": {}}
    before = take_fingerprint(config, encoder.parent / "out")
    add_one(encoder)
    assert changed(before, take_fingerprint(config, encoder.parent / "out")) == {f"the content of {encoder}"}


@pytest.mark.parametrize("package", ["torch", "spacy", "thinc", "transformers", "tokenizers", "spacy-transformers"])
def test_the_version_of_each_package_counts(package, files, monkeypatch):
    before = take(files)
    real = fingerprints.version
    monkeypatch.setattr(fingerprints, "version", lambda name: "99" if name == package else real(name))
    assert changed(before, take(files)) == {f"the version of {package}"}


def test_a_file_is_read_once_and_again_when_it_is_written(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(b"a" * 100)
    # As one that was written long ago.
    monkeypatch.setattr(fingerprints, "RACY_SECONDS", -1e9)
    before = file_digest(path)
    assert before == hashlib.sha256(b"a" * 100).hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "file_digest", None)
        assert file_digest(path) == before
    status = path.stat()
    path.write_bytes(b"b" * 100)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_digest(path) == hashlib.sha256(b"b" * 100).hexdigest()


def test_a_file_that_was_just_written_is_read_each_time(tmp_path):
    """Within the resolution of the clock a second write may leave the same times."""
    path = tmp_path / "new"
    path.write_bytes(b"a")
    file_digest(path)
    assert not any(digest == hashlib.sha256(b"a").hexdigest() for digest in fingerprints._known.values())


def test_a_finished_output_is_kept_while_nothing_changes(files, capsys):
    output = files / "out"
    assert not is_up_to_date(output, {"a": "1"})
    output.mkdir()
    (output / "made").write_text("made")
    write_record(output, {"a": "1"}, ["made"])
    assert is_up_to_date(output, {"a": "1"})
    assert f"{output} is kept: nothing changed" in " ".join(capsys.readouterr().out.split())
    assert not is_up_to_date(output, {"a": "2", "b": "1"})
    assert f"{output} is made anew: not as when it was made: a, b" in " ".join(capsys.readouterr().out.split())
    (output / "made").write_text("other")
    assert not is_up_to_date(output, {"a": "1"})
    assert f"{output}/made itself" in " ".join(capsys.readouterr().out.split())
    (output / RECORD).write_text('{"fingerprint": {"a": "1"}')
    assert not is_up_to_date(output, {"a": "1"})
