import json
import os
import shlex
import subprocess
import sys
from email import message_from_bytes
from zipfile import ZipFile

import pytest
import spacy
from packaging.requirements import Requirement
from spacy.training import Example
from typer.testing import CliRunner

import spacy_crossner
from spacy_crossner.cli import app

WHEEL = "crossner_ai-0.1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline") / "model-best"
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo-loc", "pattern": "Paris"}])
    nlp.to_disk(folder)
    # Names that a careless pattern would not copy.
    (folder / "entity_ruler" / ".hidden").write_text("kept", encoding="utf8")
    (folder / "entity_ruler" / "odd[1].txt").write_text("kept", encoding="utf8")
    return folder


def run(model, output, *options):
    return CliRunner().invoke(app, ["package", *map(str, (model, output, *options))])


def metadata(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def requirements(wheel):
    found = [Requirement(text) for text in metadata(wheel).get_all("Requires-Dist")]
    return {requirement.name: requirement.specifier for requirement in found}


def test_installed_package_is_loaded_by_its_bare_name(model, tmp_path):
    result = run(model, tmp_path / "dist", "--name", "crossner_ai")
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "dist").iterdir()] == [WHEEL]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(tmp_path / "site"), str(tmp_path / "dist" / WHEEL)], check=True)
    program = (
        "import json, spacy, crossner_ai\n"
        "nlp = spacy.load('crossner_ai')\n"
        "doc = nlp('They met in Paris .')\n"
        "ents = [[span.text, span.label_] for span in doc.ents]\n"
        "versions = [nlp.meta['version'], crossner_ai.__version__]\n"
        "print(json.dumps([ents, nlp.meta['name'], versions, crossner_ai.__file__]))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        # A folder of its own, so that neither the source tree nor the model is at hand.
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    ents, name, versions, file = json.loads(result.stdout.splitlines()[-1])
    assert ents == [["Paris", "geo-loc"]]
    assert (name, versions) == ("crossner_ai", ["0.1.0", "0.1.0"])
    assert file.startswith(str(tmp_path / "site"))
    data = tmp_path / "site" / "crossner_ai" / "en_crossner_ai-0.1.0"
    kept = {path.relative_to(model) for path in model.rglob("*") if path.is_file()}
    assert kept <= {path.relative_to(data) for path in data.rglob("*")}
    assert set(requirements(tmp_path / "dist" / WHEEL)) == {"spacy"}


def test_package_requires_spacy_crossner(tmp_path, monkeypatch):
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner")
    doc = nlp.make_doc("Ada wrote it")
    nlp.initialize(lambda: [Example.from_dict(doc, {"entities": [(0, 3, "person")]})])
    nlp.to_disk(tmp_path / "model")
    # The names of an installed distribution, so that the test holds in a source tree too.
    info = tmp_path / "site" / "spacy_crossner-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: spacy-crossner\nVersion: {spacy_crossner.__version__}\n", encoding="utf8"
    )
    (info / "top_level.txt").write_text("spacy_crossner\n", encoding="utf8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    result = run(tmp_path / "model", tmp_path / "dist", "--name", "crossner_ai", "--version", "1.2.0")
    assert result.exit_code == 0, result.output
    wheel = tmp_path / "dist" / "crossner_ai-1.2.0-py3-none-any.whl"
    assert requirements(wheel)["spacy-crossner"].contains(spacy_crossner.__version__)
    assert not requirements(wheel)["spacy-crossner"].contains("99.0.0")
    description = metadata(wheel).get_payload()
    assert "pip install spacy-crossner\n" in description
    assert 'spacy.load("crossner_ai")' in description
    assert "en_crossner_ai" not in description


def test_a_pipelines_own_readme_is_kept(model, tmp_path):
    nlp = spacy.load(model)
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("Trained on {braces} and ünïcode.\n", encoding="utf8")
    assert run(tmp_path / "model", tmp_path, "--name", "crossner_ai").exit_code == 0
    assert "Trained on {braces} and ünïcode." in metadata(tmp_path / WHEEL).get_payload(decode=True).decode("utf8")


def test_a_wheel_is_replaced_only_when_asked(model, tmp_path):
    (tmp_path / WHEEL).write_text("old", encoding="utf8")
    result = run(model, tmp_path, "--name", "crossner_ai")
    assert result.exit_code == 1
    assert "--force" in result.output
    assert (tmp_path / WHEEL).read_text(encoding="utf8") == "old"
    assert run(model, tmp_path, "--name", "crossner_ai", "--force").exit_code == 0
    assert metadata(tmp_path / WHEEL)["Name"] == "crossner_ai"


@pytest.mark.parametrize(
    "name", ["crossner-ai", "1st", "_ai", "ai_", "a__b", "a b", "ünï", "", "class", "json", "spacy", "a/b", "../up"]
)
def test_invalid_names(model, tmp_path, name):
    result = run(model, tmp_path / "dist", "--name", name)
    assert result.exit_code == 1
    assert f"'{name}' cannot be the name of a package" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_invalid_version(model, tmp_path):
    result = run(model, tmp_path / "dist", "--name", "crossner_ai", "--version", "first")
    assert result.exit_code == 1
    assert "'first' is not a version number" in result.output


@pytest.mark.parametrize("lost", ["meta.json", "config.cfg", "tokenizer", None])
def test_incomplete_pipeline(tmp_path, lost):
    nlp = spacy.blank("en")
    if lost is not None:
        nlp.to_disk(tmp_path / "model")
        (tmp_path / "model" / lost).unlink()
    result = run(tmp_path / "model", tmp_path / "dist", "--name", "crossner_ai")
    assert result.exit_code == 1
    assert "is not the folder of a saved pipeline" in " ".join(result.output.split())
    assert (lost or "meta.json") in result.output
    assert not (tmp_path / "dist").exists()


def test_output_inside_the_pipeline_is_refused(model):
    result = run(model, model / "dist", "--name", "crossner_ai")
    assert result.exit_code == 1
    assert "lies in the pipeline's own folder" in " ".join(result.output.split())
    assert not (model / "dist").exists()


def test_nothing_is_left_of_a_failed_build(model, tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_crossner.storage.packaging.SETUP_PY", "raise SystemExit('no build today')\n")
    result = run(model, tmp_path, "--name", "crossner_ai")
    assert result.exit_code == 1
    assert "no build today" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []


def test_the_line_that_installs_can_be_pasted(tmp_path, monkeypatch):
    wheel = tmp_path / "my packages" / WHEEL
    monkeypatch.setattr("spacy_crossner.cli.package.package_pipeline", lambda *args, **settings: wheel)
    result = run(tmp_path / "model", wheel.parent, "--name", "crossner_ai")
    (line,) = [line for line in result.output.splitlines() if "pip install" in line]
    assert shlex.split(line.partition("Install it: ")[2]) == ["pip", "install", str(wheel)]
