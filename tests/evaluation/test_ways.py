"""`calibrate --all`, `evaluate --all` and `package --best` on the folder of several ways."""

import json
import shutil

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed
from typer.testing import CliRunner

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.ways import calibrate_ways, evaluate_ways, find_ways, rank_ways

# Sentences of the sample that each way is trained on: every so many.
SHARES = {"weak": 4, "strong": 1}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, annotated_docs):
    """Give a folder with the pipelines of two ways, `ways`, the sample, `dev.spacy`, and a part of it, `few.spacy`."""
    folder = tmp_path_factory.mktemp("ways")
    for way, share in SHARES.items():
        fix_random_seed(0)
        nlp = spacy.blank("en")
        nlp.add_pipe("crf_ner", name="ner")
        docs = annotated_docs(nlp)
        examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs[::share]]
        optimizer = nlp.initialize(lambda examples=examples: examples)
        for _ in range(15):
            nlp.update(examples, sgd=optimizer)
        (folder / "ways" / way).mkdir(parents=True)
        nlp.to_disk(folder / "ways" / way / "model-best")
        (folder / "ways" / way / "fingerprint.json").write_text("{}")
    write_docbin(docs, folder / "dev.spacy")
    write_docbin(docs[:8], folder / "few.spacy")
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """Give a copy of that folder."""
    shutil.copytree(trained, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def calibrated(folder):
    """Give the copy with both ways calibrated."""
    list(calibrate_ways(folder / "ways", folder / "dev.spacy"))
    return folder


def run(*words):
    result = CliRunner().invoke(app, list(map(str, words)))
    return result.exit_code, " ".join(result.output.split())


def change(folder, way):
    """Make the trained pipeline of a way another one."""
    path = folder / "ways" / way / "model-best" / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "description": "trained again"}))


def test_all_ways_are_calibrated_and_those_without_a_change_are_kept(folder):
    code, output = run("calibrate", folder / "ways", folder / "dev.spacy", "--all")
    assert code == 0, output
    assert output.count("Pipeline saved to") == 2
    for way in SHARES:
        assert spacy.load(folder / "ways" / way / "calibrated").get_pipe("ner").cfg["temperature"] != 1.0
    assert run("calibrate", folder / "ways", folder / "dev.spacy", "--all")[1].count("is up to date") == 2
    change(folder, "weak")
    code, output = run("calibrate", folder / "ways", folder / "dev.spacy", "--all")
    assert "weak/calibrated is out of date. Changed since it was written: the pipeline" in output
    assert output.count("is up to date") == output.count("Pipeline saved to") == 1
    # Other dev data, another setting, and an output that something else has changed.
    for data, options, reason in (
        ("few.spacy", [], "the data"),
        ("few.spacy", ["--no-threshold"], "threshold"),
    ):
        output = run("calibrate", folder / "ways", folder / data, "--all", *options)[1]
        assert output.count(f"since it was written: {reason}") == 2
    shutil.rmtree(folder / "ways" / "weak" / "calibrated" / "ner")
    _, output = run("calibrate", folder / "ways", folder / "few.spacy", "--all", "--no-threshold")
    assert "weak/calibrated itself" in output
    assert output.count("is up to date") == 1


def test_the_same_as_one_pipeline_at_a_time(folder):
    """Of both forms of the command comes the same."""
    list(calibrate_ways(folder / "ways", folder / "dev.spacy"))
    run("calibrate", folder / "ways/weak/model-best", folder / "dev.spacy", "--output", folder / "alone")
    files = sorted(path.relative_to(folder / "alone") for path in (folder / "alone").rglob("*") if path.is_file())
    together = folder / "ways" / "weak" / "calibrated"
    assert all((folder / "alone" / path).read_bytes() == (together / path).read_bytes() for path in files)
    run("evaluate", folder / "alone", folder / "dev.spacy", "--output", folder / "alone.json")
    list(evaluate_ways(folder / "ways", folder / "dev.spacy", folder / "scores"))
    alone = json.loads((folder / "alone.json").read_text())
    assert json.loads((folder / "scores" / "weak.json").read_text())["strict"] == alone["strict"]


def test_all_ways_are_scored_and_those_without_a_change_are_kept(calibrated):
    words = ["evaluate", calibrated / "ways", calibrated / "few.spacy", "--all", "--output", calibrated / "scores"]
    code, output = run(*words)
    assert code == 0, output
    assert sorted(path.name for path in (calibrated / "scores").iterdir()) == ["strong.json", "weak.json"]
    before = (calibrated / "scores" / "weak.json").read_bytes()
    code, output = run(*words)
    assert output.count("is up to date") == output.count("conlleval over one") == 2
    assert (calibrated / "scores" / "weak.json").read_bytes() == before
    assert json.loads(before)["from_text"] is None
    assert run(*words, "--from-text")[1].count("is out of date. Changed since it was written: from_text") == 2
    (calibrated / "scores" / "weak.json").write_text("{")
    assert run(*words, "--from-text")[1].count("is up to date") == 1


def test_the_best_on_dev_is_packaged_and_said(calibrated):
    ranked = rank_ways(calibrated / "ways")
    best, other = ranked
    assert best.name == "strong"
    assert ranked[best] > ranked[other]
    words = ["package", calibrated / "ways", calibrated / "wheels", "--best", "--name", "crossner_ai"]
    code, output = run(*words)
    assert code == 0, output
    scores = f"strong {100 * ranked[best]:.2f}, weak {100 * ranked[other]:.2f}"
    assert f"Packaging strong, the best of 2 by F1 on dev after calibration: {scores}" in output
    command = f"package {other / 'calibrated'} {calibrated / 'wheels'} --name crossner_ai --force"
    assert f"To package another way: python -m spacy crossner {command}" in output
    assert (calibrated / "wheels" / "crossner_ai-0.1.0-py3-none-any.whl").is_file()
    # The other way's scores are in the same folder.
    code, output = run(*words, "--force", "--metrics", calibrated / "scores")
    assert code == 0, output
    assert f"{command} --metrics {calibrated / 'scores'}" in output


def test_nothing_is_packaged_that_is_not_compared_fairly(calibrated):
    words = ["package", calibrated / "ways", calibrated / "wheels", "--best", "--name", "crossner_ai"]
    # Trained again since it was calibrated.
    change(calibrated, "weak")
    code, output = run(*words)
    assert code == 1
    assert f"[C211] {calibrated}/ways/weak is not calibrated, or was trained again" in output
    # Calibrated, but on another dev set than the other one.
    (calibrated / "ways" / "strong").rename(calibrated / "strong")
    list(calibrate_ways(calibrated / "ways", calibrated / "few.spacy"))
    (calibrated / "strong").rename(calibrated / "ways" / "strong")
    code, output = run(*words)
    assert code == 1
    assert "[C212] strong, weak were calibrated on different dev sets" in output
    assert not (calibrated / "wheels").exists()


def test_a_way_whose_training_is_not_finished_is_left_out(folder):
    (folder / "ways" / "weak" / "fingerprint.json").unlink()
    code, output = run("calibrate", folder / "ways", folder / "dev.spacy", "--all")
    assert code == 0, output
    assert f"{folder}/ways/weak is skipped: its training is not finished" in output
    assert not (folder / "ways" / "weak" / "calibrated").exists()
    assert [way.name for way in rank_ways(folder / "ways")] == ["strong"]


def test_a_folder_without_ways_is_an_error(folder):
    for name, words in (
        ("model-best", ["calibrate", folder / "none", folder / "dev.spacy", "--all"]),
        ("calibrated", ["evaluate", folder / "ways", folder / "dev.spacy", "--all", "-o", folder / "scores"]),
        ("model-best", ["package", folder / "none", folder / "wheels", "--best", "--name", "crossner_ai"]),
    ):
        code, output = run(*words)
        assert code == 1
        assert f"[C210] {words[1]} contains no {words[1]}/WAY/{name}" in output
    with pytest.raises(CrossnerError, match="C210"):
        find_ways(folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calibrate"], "C214"),
        (["calibrate", "--all", "--output", "out"], "C214"),
        (["evaluate", "--all"], "C215"),
        (["evaluate", "--all", "--output", "out", "--drop-seen", "few.spacy"], "C215"),
    ],
)
def test_options_that_do_not_fit_together_are_errors(trained, words, message):
    command, *options = words
    code, output = run(command, trained / "ways", trained / "dev.spacy", *options)
    assert code == 1
    assert message in output
