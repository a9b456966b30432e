"""The card of a whole project: its figures are those of the files. What is not of the pipeline is left out."""

import json
from collections import Counter
from email import message_from_bytes
from zipfile import ZipFile

import pytest
import spacy
from spacy.schemas import ModelMetaSchema, validate
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.evaluation.card.make import make_card


def card_of(model, metrics=None, **settings):
    meta = {**json.loads((model / "meta.json").read_text()), "name": "crossner_ai"}
    return make_card(model, meta, metrics=metrics, **settings)


def rows_of(text):
    """Return the cells of the rows of all tables, headers and rules too."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def tables(text):
    """Return the cells of the rows of all tables, by the first cell."""
    return {row[0]: row[1:] for row in rows_of(text)}


def rows_of_data(text):
    return [row for row in rows_of(text.partition("## Data")[2].partition("##")[0]) if row[0].isdigit()]


def count(path):
    docs = read_docbin(path, Vocab())
    return Counter(ent.label_ for doc in docs for ent in doc.ents)


def test_each_stage_is_listed_with_its_data(project):
    text = card_of(project.model).text
    entities = {name: count(f"{name}.spacy").total() for name in ("news/train", "listed/train", "ai/dev")}
    drawn = sum(map(int, columns(text, "training entities, last stage").values()))
    assert rows_of_data(text) == [
        ["1", "train", "`train.spacy`", "news", "12", str(entities["news/train"]), "as given"],
        ["1", "train", "`train.spacy`", "listed", "8", str(entities["listed/train"]), "automatic"],
        ["1", "dev", "`dev.spacy`", "ai", "9", str(entities["ai/dev"]), "as given"],
        ["2", "train", "`train.spacy`", "ai", "16", str(drawn), "as given"],
        ["2", "dev", "`dev.spacy`", "ai", "9", str(entities["ai/dev"]), "as given"],
    ]
    assert 0 < drawn < count("ai/train.spacy").total()
    assert "The encoder was adapted to raw text: 1,234 lines to train on." in text
    assert "Lists of names whose mentions are features of words: `names.tsv`." in text
    assert "Not used" not in text


def columns(text, name):
    """Return a column of the table of types, by type."""
    rows = tables(text.partition("## Data")[0])
    place = rows["type"].index(name)
    return {label.strip("`"): row[place] for label, row in rows.items() if label.startswith("`")}


def test_the_scores_are_those_of_evaluate(project):
    text = card_of(project.model, project.metrics).text
    strict = project.scores["strict"]
    for label in ("person", "place", "thing"):
        assert columns(text, "F1")[label] == f"{100 * strict['per_type'][label]['f']:.1f}"
        assert columns(text, "test entities")[label] == str(count("ai/test.spacy")[label])
    found = tables(text)
    assert found["test, strict"] == [f"{100 * strict[key]:.1f}" for key in "prf"]
    record = json.loads((project.folder / "ways" / "dapt" / "calibrated.json").read_text())
    assert found["dev, after calibration, `ner`"] == ["", "", f"{100 * record['dev_f']:.1f}"]
    assert f"Expected calibration error on test: {project.scores['calibration']['ece']:.3f}." in text
    assert f"Speed on test: {project.scores['words_per_second']:,.0f} words per second" in text
    assert project.scores["device"] in text
    cfg = spacy.load(project.model).get_pipe("ner").cfg
    assert f"temperature {cfg['temperature']:.3f}, threshold {cfg['threshold']:.2f}" in text


def test_how_it_was_made_is_read_from_the_records(project):
    found = tables(card_of(project.model).text.partition("## How it was made")[2])
    saved = json.loads((project.folder / "ways" / "dapt" / "fingerprint.json").read_text())["dev_scores"]["saved"]
    which = "the mean of their weights" if saved == "the mean of their weights" else "the best of them on dev"
    assert found["stage 1"] == ["2 steps, seed 0"]
    assert found["stage 2"] == [f"2 steps, 2 trainings with seeds 3 to 4; saved: {which}"]
    assert found["encoder"] == ["`mini-lm`, adapted to raw text"]
    assert found["component"] == ["`ner`: `crf_ner`, `spacy_crossner.CRF.v1`"]
    assert found["spacy"] == [spacy.__version__]
    assert found["trained on"] == ["CPU"]


def test_the_card_is_the_same_each_time_and_has_no_path(project):
    card = card_of(project.model, project.metrics)
    assert card == card_of(project.model, project.metrics)
    for text in (card.text, json.dumps(card.meta)):
        # The labels and the metrics were given with absolute paths.
        assert str(project.folder.parent) not in text
        assert "news/train.spacy" not in text


def test_meta_data_are_filled_and_valid(project):
    meta = card_of(project.model, project.metrics).meta
    assert validate(ModelMetaSchema, meta) == []
    assert meta["description"] == "Named entity recognition, domain ai: person, place, thing"
    assert meta["license"] == ""
    assert meta["performance"]["ents_f"] == pytest.approx(project.scores["strict"]["f"])
    assert meta["performance"]["speed"] == pytest.approx(project.scores["words_per_second"])
    person = {key: project.scores["strict"]["per_type"]["person"][key] for key in "prf"}
    assert meta["performance"]["ents_per_type"]["person"] == pytest.approx(person)
    assert [source["name"] for source in meta["sources"]] == [
        "train.spacy (news)",
        "train.spacy (listed)",
        "train.spacy (ai)",
        "mini-lm",
    ]
    assert "strict scores on the test set" in meta["notes"]


def test_what_the_user_has_given_is_kept(project):
    path = project.model / "meta.json"
    given = {"description": "Mine.", "notes": "Look out.", "license": "MIT", "sources": ["a corpus"]}
    path.write_text(json.dumps({**json.loads(path.read_text()), **given}))
    card = card_of(project.model)
    assert {name: card.meta[name] for name in given} == given
    assert card.text.endswith("## License\n\nMIT")
    assert card_of(project.model, license="CC0-1.0").meta["license"] == "CC0-1.0"


def test_dev_scores_stay_without_scores_on_test(project):
    before = json.loads((project.model / "meta.json").read_text())["performance"]
    card = card_of(project.model)
    assert card.meta["performance"] == before
    assert "on dev at the end of training, before calibration" in card.meta["notes"]
    assert "The scores on a test set are unknown." in card.text
    assert "test entities" not in card.text


def test_scores_of_another_pipeline_are_left_out_with_a_warning(project, capsys):
    expected = card_of(project.model)
    scores = json.loads((project.metrics / "dapt.json").read_text())
    scores["fingerprint"]["the pipeline"] = "0" * 64
    (project.metrics / "dapt.json").write_text(json.dumps(scores))
    capsys.readouterr()
    for metrics, found in ((project.metrics, "holds scores of another pipeline"), (project.folder, "does not exist")):
        assert card_of(project.model, metrics) == expected
        assert f"[C640] The model card goes without scores on test: {metrics}/dapt.json {found}" in " ".join(
            capsys.readouterr().out.split()
        )


@pytest.mark.parametrize("change", ["removed", "changed"])
def test_data_that_are_not_those_of_the_training_are_not_counted(project, change):
    path = project.folder / "ai" / "train.spacy"
    if change == "removed":
        path.unlink()
    else:
        write_docbin(read_docbin(path, Vocab())[:3], path)
    text = card_of(project.model).text
    assert rows_of_data(text)[3] == ["2", "train", "`train.spacy`", "unknown", "unknown", "unknown", "unknown"]
    # Those of the others still are.
    assert rows_of_data(text)[0][3:5] == ["news", "12"]
    assert "training entities" not in text


def test_a_source_stage_that_was_trained_again_is_unknown(project):
    path = project.folder / "source" / "model-best" / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "description": "another one"}))
    text = card_of(project.model).text
    assert [row[0] for row in rows_of_data(text)] == ["1", "1"]
    assert "Stage 1 continues from a pipeline whose training is unknown." in text
    # Its record was also that of the encoder.
    assert "adapted to raw text" not in text
    assert "Not used" not in text


def test_a_pipeline_that_was_updated_has_no_calibration_and_no_training(project):
    nlp = spacy.load(project.model)
    nlp.get_pipe("ner").cfg["temperature"] = 1.0
    nlp.to_disk(project.model)
    text = card_of(project.model).text
    assert "No calibration is known" in text
    assert "dev, after calibration" not in text
    assert {row[4] for row in rows_of_data(text)} == {"unknown"}
    assert tables(text)["stage 1"] == ["unknown"]


def test_the_pipeline_before_calibration_has_the_same_training(project):
    trained = card_of(project.model.with_name("model-best"))
    assert rows_of_data(trained.text) == rows_of_data(card_of(project.model).text)
    assert "No calibration is known" in trained.text


def test_the_command_puts_the_card_into_the_wheel(project):
    words = ["package", "ways", "packages", "--best", "--name", "crossner_ai", "--metrics", "metrics"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    card = card_of(project.model, project.metrics)
    with ZipFile("packages/crossner_ai-0.1.0-py3-none-any.whl") as wheel:
        readme = wheel.read("crossner_ai/en_crossner_ai-0.1.0/README.md").decode("utf8")
        metadata = message_from_bytes(wheel.read("crossner_ai-0.1.0.dist-info/METADATA"))
        meta = json.loads(wheel.read("crossner_ai/en_crossner_ai-0.1.0/meta.json"))
    assert readme.endswith(f"{card.text}\n")
    assert metadata.get_payload(decode=True).decode("utf8").strip() == readme.strip()
    assert metadata["Summary"] == card.meta["description"]
    assert metadata["License"] is None
    assert meta["notes"] == card.meta["notes"]


def test_a_pipeline_that_we_did_not_train(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "geo|loc", "pattern": "Paris"}])
    nlp.to_disk(tmp_path / "model")
    card = card_of(tmp_path / "model")
    assert "| `geo\\|loc` |" in card.text
    assert "The training data is unknown." in card.text
    assert "sources" not in card.meta
    assert card.meta["description"] == "Named entity recognition: geo|loc"
