"""Steps and runs are known by all that they read: an encoder wherever it is, files that configs name, versions."""

import pytest
import srsly

from spacy_crossner.comparison.keys import grid_run_key, step_key
from spacy_crossner.comparison.project import Step
from spacy_crossner.fingerprints import packages

CONFIG = '[components]\n\n[components.a]\nsource = "base"\n\n[initialize]\nvectors = "more/vectors"\n'


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "a project"
    for path in ("config.cfg", "data.txt", "base/weights", "more/vectors", "enc/weights", "out/made"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / "config.cfg").write_text(CONFIG)
    srsly.write_yaml(folder / "project.yml", {"commands": [], "directories": ["out"]})
    return folder


def keys(project, words="--paths.encoder enc --output out/made"):
    step = Step(
        "train", [f"python -m spacy crossner train config.cfg {words}"], ["config.cfg", "data.txt"], ["out/made"]
    )
    return step_key(project, step), grid_run_key(project, "direct", [step])


@pytest.mark.parametrize("name", ["config.cfg", "data.txt", "base/weights", "more/vectors", "enc/weights"])
def test_every_file_that_a_step_reads_counts(project, name):
    before = keys(project)
    assert keys(project) == before
    (project / name).write_text((project / name).read_text() + "\n# more")
    assert all(new != old for new, old in zip(keys(project), before, strict=True))


def test_what_is_made_does_not_count(project):
    before = keys(project)
    (project / "out/made").write_text("other")
    assert keys(project) == before


def test_an_encoder_in_a_package_counts(project, tmp_path, monkeypatch):
    package = tmp_path / "site" / "an_encoder_package"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "model" / "weights").write_text("1")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    words = "--paths.encoder an_encoder_package/model --output out/made"
    before = keys(project, words)
    assert keys(project, words) == before
    (package / "model" / "weights").write_text("2")
    assert all(new != old for new, old in zip(keys(project, words), before, strict=True))


def test_how_long_an_encoder_was_adapted_does_not_count(project):
    for name in ("config.json", "fingerprint.json", "log.jsonl"):
        (project / "enc" / name).write_text("1")
    before = keys(project)
    (project / "enc/log.jsonl").write_text("2")
    assert keys(project) == before
    (project / "enc/config.json").write_text("2")
    assert all(new != old for new, old in zip(keys(project), before, strict=True))


@pytest.mark.parametrize("package", ["torch", "spacy", "thinc", "transformers", "tokenizers", "spacy-transformers"])
def test_the_version_of_each_package_counts(project, monkeypatch, package):
    before = keys(project)
    real = packages.version
    monkeypatch.setattr(packages, "version", lambda name: "99" if name == package else real(name))
    assert all(new != old for new, old in zip(keys(project), before, strict=True))


def test_our_version_counts(project, monkeypatch):
    before = keys(project)
    monkeypatch.setattr(packages, "__version__", "99")
    assert all(new != old for new, old in zip(keys(project), before, strict=True))


def test_a_config_that_cannot_be_read_is_left_to_its_step(project):
    (project / "config.cfg").write_text("[components\n")
    assert all(keys(project))
