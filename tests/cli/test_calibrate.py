import json
import shutil

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin


@pytest.fixture(scope="module")
def folder(tmp_path_factory, annotated_docs):
    """Give a folder with a pipeline that half knows the sample, `model`, and the sample, `dev.spacy`."""
    folder = tmp_path_factory.mktemp("calibrate")
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("crf_ner", name="ner", config={"threshold": 0.9})
    nlp.add_pipe("crf_ner", name="untouched")
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs[::2]]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(15):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(folder / "model")
    write_docbin(docs, folder / "dev.spacy")
    write_docbin([docs[8], docs[10]], folder / "empty.spacy")
    write_docbin([Doc(nlp.vocab, words=["Nobody", "came", "."], ents=["B-person", "O", "O"])], folder / "missed.spacy")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


def test_scores_get_better_and_entities_stay(folder, tmp_path, annotated_docs):
    result = run(folder / "model", folder / "dev.spacy", "--output", tmp_path / "out", "--component", "ner")
    assert result.exit_code == 0, result.output
    before, after = spacy.load(folder / "model"), spacy.load(tmp_path / "out")
    temperature = after.get_pipe("ner").temperature
    threshold = after.get_pipe("ner").cfg["threshold"]
    assert temperature != 1.0
    assert threshold > 0
    assert f"{temperature:.3f}" in result.output
    assert after.get_pipe("untouched").temperature == 1.0
    assert after.get_pipe("ner").threshold == 0.9
    for nlp in (before, after):
        nlp.get_pipe("ner").threshold = 0.0
        nlp.remove_pipe("untouched")
    docs = annotated_docs(before)
    examples = [Example(without_annotation(doc, before.vocab), doc) for doc in docs]
    scores = {}
    for value in (0.0, None, *(i / 20 for i in range(20))):
        after.get_pipe("ner").threshold = value
        scores[value] = after.evaluate(examples)["ents_f"]
    assert scores[None] == max(scores.values()) > scores[0.0]
    after.get_pipe("ner").threshold = 0.0
    texts = [doc.text for doc in docs]
    found = [[[(e.start, e.end, e.label_) for e in doc.ents] for doc in nlp.pipe(texts)] for nlp in (before, after)]
    assert found[0] == found[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_output_that_is_there_is_replaced_only_on_request(folder, tmp_path):
    shutil.copytree(folder / "model", tmp_path / "out")
    (tmp_path / "out" / "mine").write_text("kept")
    arguments = [folder / "model", folder / "dev.spacy", "--output", tmp_path / "out", "--component", "ner"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "--force" in result.output
    assert (tmp_path / "out" / "mine").read_text() == "kept"
    assert run(*arguments, "--force").exit_code == 0
    assert json.loads((tmp_path / "out" / "ner" / "cfg").read_text())["temperature"] != 1.0
    assert not (tmp_path / "out" / "mine").exists()


def test_an_output_that_is_no_pipeline_is_never_replaced(folder, tmp_path):
    for name in ("precious", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years")
    (tmp_path / "a file").write_text("kept")
    arguments = [folder / "model", folder / "dev.spacy", "--component", "ner", "--force", "--output"]
    for name, found in (("precious", "it holds thesis.txt"), ("a file", "it is a file")):
        result = run(*arguments, tmp_path / name)
        assert result.exit_code == 1
        assert f"[C092] {tmp_path}/{name} is not replaced: {found}" in " ".join(result.output.split())
    assert (tmp_path / "precious" / "thesis.txt").read_text() == "years"
    assert (tmp_path / "a file").read_text() == "kept"
    assert run(*arguments, tmp_path / "empty").exit_code == 0
    assert spacy.load(tmp_path / "empty").get_pipe("ner").temperature != 1.0


@pytest.mark.parametrize("output", [".", "model", "data"])
def test_an_output_that_holds_what_is_read_is_never_replaced(folder, tmp_path, output):
    shutil.copytree(folder / "model", tmp_path / "model")
    for name in (".", "data"):
        # As of a pipeline.
        (tmp_path / name).mkdir(exist_ok=True)
        for file in ("config.cfg", "meta.json"):
            shutil.copy(folder / "model" / file, tmp_path / name)
    shutil.copy(folder / "dev.spacy", tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    result = run(tmp_path / "model", tmp_path / "data/dev.spacy", "--output", tmp_path / output, "--force")
    assert result.exit_code == 1
    assert "would be deleted" in " ".join(result.output.split())
    assert "C093" in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_with_no_entity_found_the_temperature_stays(folder, tmp_path):
    result = run(folder / "model", folder / "missed.spacy", "--output", tmp_path / "out", "--component", "ner")
    assert result.exit_code == 0
    assert "predicts no entity" in result.output
    assert spacy.load(tmp_path / "out").get_pipe("ner").temperature == 1.0


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("dev.spacy", ["--component", "tagger"], "no component of spacy-crossner named 'tagger'"),
        ("missing.spacy", [], "missing.spacy"),
        ("empty.spacy", [], "empty.spacy: its 2 sentences have no entity to calibrate on"),
    ],
)
def test_what_cannot_be_calibrated_is_named(folder, tmp_path, data, options, message):
    result = run(folder / "model", folder / data, "--output", tmp_path / "out", *options)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_text_without_annotation_is_an_error(folder, tmp_path, annotated_docs):
    nlp = spacy.load(folder / "model")
    docs = annotated_docs(nlp)
    write_docbin([docs[0], without_annotation(docs[1], nlp.vocab)], tmp_path / "raw.spacy")
    result = run(folder / "model", tmp_path / "raw.spacy", "--output", tmp_path / "out", "--component", "ner")
    assert result.exit_code == 1
    said = " ".join(result.output.split())
    assert "[C201]" in said
    assert "no annotation on sentence 2 ('The Analytical" in said
    assert not (tmp_path / "out").exists()
