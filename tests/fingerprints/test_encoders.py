"""Digests of encoders: in a folder, in a package, on the hub."""

from spacy_crossner.fingerprints import encoder_digest, encoder_title, named_contents, path_digest


def test_one_weight_of_an_encoder_counts(encoder, change_one_weight):
    before = encoder_digest(str(encoder))
    assert encoder_digest(str(encoder)) == before
    change_one_weight(encoder)
    assert encoder_digest(str(encoder)) != before


def test_how_an_encoder_was_made_does_not_count(encoder):
    before = encoder_digest(str(encoder))
    setting = {"components.ner.model.tok2vec.name": str(encoder)}
    contents = named_contents(setting)
    assert contents == {f"the content of {encoder}": before}
    (encoder / "log.jsonl").write_text('{"tokens_per_second": 1}')
    for name in ("checkpoint", "work"):
        (encoder / name).mkdir()
        (encoder / name / "state").write_text("1")
    assert encoder_digest(str(encoder)) == before
    assert named_contents(setting) == contents


def test_a_folder_in_the_working_folder_does_not_hide_an_encoder_in_a_package(encoder, tmp_path, monkeypatch):
    package = tmp_path / "site" / "packed_encoder"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    encoder.rename(package / "model")
    monkeypatch.syspath_prepend(str(package.parent))
    (tmp_path / "packed_encoder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert encoder_digest("packed_encoder/model") == path_digest(package / "model")


def test_an_encoder_in_a_package_counts(encoder, monkeypatch, change_one_weight):
    package = encoder.parent / "packed_encoder"
    package.mkdir()
    (package / "__init__.py").write_text("")
    encoder.rename(package / "model")
    assert encoder_digest("packed_encoder/model") == ""
    monkeypatch.syspath_prepend(str(encoder.parent))
    before = encoder_digest("packed_encoder/model")
    assert before == path_digest(package / "model")
    change_one_weight(package / "model")
    assert encoder_digest("packed_encoder/model") not in ("", before)


def test_an_encoder_on_the_hub_is_known_by_its_commit(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    folder = tmp_path / "models--some--encoder"
    for commit in ("a1", "b2"):
        (folder / "snapshots" / commit).mkdir(parents=True)
        (folder / "snapshots" / commit / "config.json").write_text("{}")
    (folder / "refs").mkdir()
    digests = []
    for commit in ("a1", "b2"):
        (folder / "refs" / "main").write_text(commit)
        digests.append(encoder_digest("some/encoder"))
    assert digests == ["commit a1", "commit b2"]
    assert encoder_digest("another/encoder") == ""
    assert encoder_digest("x" * 300) == encoder_digest("a/b/c") == encoder_digest("") == ""


def test_a_title_has_no_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "mini").mkdir(parents=True)
    titles = {"an-author/a-model": "an-author/a-model", "bert": "bert", "own/mini": "mini", "../gone/mini": "mini"}
    titles[str(tmp_path / "elsewhere" / "base")] = "base"
    assert {name: encoder_title(name) for name in titles} == titles
