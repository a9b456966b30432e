"""spaCy's own commands work with our components as with spaCy's."""

import json
import subprocess
import sys

import catalogue
import pytest
import spacy
from spacy.cli import app
from spacy.training import Example
from spacy.util import load_config
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.data.docbin import write_docbin

CONFIG = """
[nlp]
lang = "xx"
pipeline = ["tok2vec","crf_ner"]

[components]

[components.tok2vec]
factory = "tok2vec"

[components.crf_ner]
factory = "crf_ner"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, annotated_docs):
    """Give a folder with a trained pipeline, `model`, its data and a config that names no more than the factories."""
    folder = tmp_path_factory.mktemp("spacy_commands")
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.add_pipe("crf_ner")
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(12):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "model")
    write_docbin(docs, folder / "dev.spacy")
    (folder / "base.cfg").write_text(CONFIG)
    run("init", "fill-config", folder / "base.cfg", folder / "full.cfg")
    return folder


def run(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def paths(folder):
    return ["--paths.train", folder / "dev.spacy", "--paths.dev", folder / "dev.spacy"]


def test_fill_config_adds_every_setting(folder):
    settings = load_config(folder / "full.cfg")["components"]["crf_ner"]
    assert settings["model"]["@architectures"] == "spacy_crossner.CRF.v1"
    assert (settings["threshold"], settings["preset_ents"]) == (None, "constrain")
    assert settings["losses"]["nll"]["@losses"] == "spacy_crossner.TagLikelihood.v1"


def test_debug_config(folder):
    assert "Config is valid" in run("debug", "config", folder / "full.cfg", *paths(folder))


def test_init_labels(folder, tmp_path):
    run("init", "labels", folder / "full.cfg", tmp_path, *paths(folder))
    assert json.loads((tmp_path / "crf_ner.json").read_text()) == ["person", "place", "thing"]


def test_train(folder, tmp_path):
    overrides = ["--training.max_steps", 3, "--training.eval_frequency", 3]
    run("train", folder / "full.cfg", "--output", tmp_path, *paths(folder), *overrides)
    assert spacy.load(tmp_path / "model-last").get_pipe("crf_ner").labels == ("person", "place", "thing")


def test_assemble(folder, tmp_path):
    config = tmp_path / "assemble.cfg"
    blocks = '[nlp]\nlang = "xx"\npipeline = ["crf_ner"]\n\n[components]\n\n[components.crf_ner]\nsource = '
    config.write_text(f"{blocks}{json.dumps(str(folder / 'model'))}\n")
    run("assemble", config, tmp_path / "out")
    text = "Ada Lovelace wrote notes in London ."
    found = [[ent.text for ent in spacy.load(path)(text).ents] for path in (folder / "model", tmp_path / "out")]
    assert found[0] == found[1] == ["Ada Lovelace", "London"]


def test_benchmark_speed(folder):
    output = run(
        "benchmark", "speed", folder / "model", folder / "dev.spacy", "--batch-size", 5, "--batches", 30, "--warmup", 1
    )
    assert "words/s" in output


def test_find_threshold(folder):
    output = run(
        "find-threshold", folder / "model", folder / "dev.spacy", "crf_ner", "threshold", "ents_f", "--n_trials", 3
    )
    rows = [line.split() for line in output.splitlines()]
    scores = {float(row[0]): float(row[1]) for row in rows if len(row) == 2 and row[0].startswith(("0", "1"))}
    # The scores of what it knows by heart are just below 1.
    assert scores == {0.0: 1.0, 0.5: 1.0, 1.0: 0.0}


def test_without_our_package_spacy_says_what_is_missing(folder, monkeypatch):
    # As where it is not installed: its entry points are not there, and what they have registered is not.
    points = {
        group: [point for point in points if not point.value.startswith("spacy_crossner")]
        for group, points in catalogue.AVAILABLE_ENTRY_POINTS.items()
    }
    registered = {
        key: value
        for key, value in catalogue.REGISTRY.items()
        if not getattr(value, "__module__", "").startswith("spacy_crossner") and "crf_ner" not in key
    }
    monkeypatch.setattr(catalogue, "AVAILABLE_ENTRY_POINTS", points)
    monkeypatch.setattr(catalogue, "REGISTRY", registered)
    with pytest.raises(ValueError, match=r"\[E002\] Can't find factory for 'crf_ner'"):
        spacy.load(folder / "model")


def test_commands_that_need_no_encoder_do_not_wait_for_its_libraries():
    code = "import sys, spacy_crossner.cli; print({'transformers', 'sklearn', 'accelerate'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
