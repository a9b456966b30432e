"""Cross-validation: what is trained, what is chosen, and what the last pipeline gets."""

import json
import shutil

import pytest
import spacy
import torch
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.cross_validation import run as module
from spacy_crossner.cross_validation.run import cross_validate
from spacy_crossner.cross_validation.settings import Recipe, Validation
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.calibration import log_loss
from spacy_crossner.evaluation.temperature import Scorer, fit_scores
from spacy_crossner.training.averaging import train_average
from spacy_crossner.training.parameters import parameters
from spacy_crossner.training.train import train

from ..configs.stages import CONFIGS

LABELS = ["person", "place", "thing"]
FOLDS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory, annotated_docs, tiny_encoder):
    """Give a folder with a corpus and a source stage that knows some of it."""
    folder = tmp_path_factory.mktemp("validation")
    write_docbin(annotated_docs(spacy.blank("en")), folder / "train.spacy")
    (folder / "labels.json").write_text(json.dumps(LABELS))
    overrides = {"paths.train": str(folder / "train.spacy"), "paths.dev": str(folder / "train.spacy")}
    overrides |= {"paths.encoder": str(tiny_encoder), "training.optimizer.encoder_rate": 0.01}
    train(CONFIGS / "crf.cfg", folder / "source", epochs=6, evaluations=1, overrides=overrides)
    return folder


def validation(place, **changes):
    overrides = {"paths.train": str(place / "train.spacy"), "paths.labels": str(place / "labels.json")}
    overrides |= {"paths.pretrained": str(place / "source" / "model-best"), "system.seed": 3}
    given = {"folds": FOLDS, "recipes": [Recipe(3)], "min_steps": 0, "seeds": 2, "overrides": overrides}
    given["overrides"] |= changes.pop("overrides", {})
    return Validation(CONFIGS / "finetune.cfg", **{**given, **changes})


@pytest.fixture(scope="module")
def done(place, tmp_path_factory):
    output = tmp_path_factory.mktemp("done") / "out"
    return output, cross_validate(output, validation(place))


def test_the_pipeline_is_that_of_a_training_on_all_sentences(done, place, tmp_path):
    output, best = done
    overrides = {**validation(place).overrides, "paths.dev": str(place / "train.spacy")}
    settings = {"epochs": 3, "min_steps": 0, "evaluations": 1, "preset": "auto"}
    train_average(CONFIGS / "finetune.cfg", tmp_path / "all", 2, always_mean=True, overrides=overrides, **settings)
    ours, theirs = (spacy.load(path / "model-best") for path in (output, tmp_path / "all"))
    for name, (_, tensor) in parameters(theirs).items():
        assert torch.equal(parameters(ours)[name][1], tensor)
    assert ours.get_pipe("ner").temperature == pytest.approx(best.fitted["temperature"]["after"])
    assert ours.get_pipe("ner").cfg["threshold"] == best.fitted["threshold"]
    assert ours.meta["performance"]["ents_f"] == pytest.approx(best.f)


def test_the_output_has_the_pipeline_and_its_scores_alone(done):
    output, best = done
    assert sorted(path.name for path in output.iterdir()) == ["fingerprint.json", "folds.json", "model-best"]
    (row,) = json.loads((output / "folds.json").read_text())
    assert row["f"] == pytest.approx(best.f)
    assert len(row["f_by_fold"]) == FOLDS
    assert 0 <= row["spread"] < 1


def test_held_out_sentences_alone_are_judged(place, tmp_path, monkeypatch):
    """The expected F1 is that of each fold's pipeline on the sentences that it has not seen."""
    kept = []
    monkeypatch.setattr(module, "remove_folder", kept.append)
    best = cross_validate(tmp_path / "out", validation(place))
    right = predicted = gold = 0
    for number in range(1, FOLDS + 1):
        folder = tmp_path / "out" / "folds" / str(number)
        nlp = spacy.load(folder / "epochs-3" / "model-best")
        seen = {doc.text for doc in read_docbin(folder / "train.spacy", Vocab())}
        nlp.get_pipe("ner").cfg["temperature"] = best.fitted["temperature"]["after"]
        nlp.get_pipe("ner").cfg["threshold"] = best.fitted["threshold"]
        for doc in read_docbin(folder / "dev.spacy", nlp.vocab):
            assert doc.text not in seen
            found = nlp(spacy.tokens.Doc(nlp.vocab, words=[token.text for token in doc]))
            theirs = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
            ours = {(ent.start, ent.end, ent.label_) for ent in found.ents}
            right, predicted, gold = right + len(ours & theirs), predicted + len(ours), gold + len(theirs)
    assert best.f == pytest.approx(2 * right / (predicted + gold), abs=1e-6)
    assert sum(best.f_scores) > 0


def test_one_temperature_for_all_pipelines_is_the_best_of_a_grid(place):
    """Against a plain search: two pipelines of other sharpness, judged together."""
    nlp = spacy.load(place / "source" / "model-best")
    docs = read_docbin(place / "train.spacy", nlp.vocab)
    other = spacy.load(place / "source" / "model-best")
    scorers = [Scorer(nlp, docs[:8], "ner"), Scorer(other, docs[8:], "ner")]
    fitted = fit_scores(scorers)

    def loss(temperature):
        parts = [scorer.judge(temperature) for scorer in scorers]
        return log_loss([x for part in parts for x in part.scores], [x for part in parts for x in part.correct])

    grid = [0.1 * 1.15**i for i in range(38)]
    assert loss(fitted["temperature"]["after"]) <= min(map(loss, grid)) + 1e-3
    # Judging has changed nothing.
    assert nlp.get_pipe("ner").temperature == 1.0


def test_the_best_recipe_is_taken(place, tmp_path, monkeypatch):
    trained = []

    def judge(recipe, *args):
        f = {1: 0.3, 2: 0.6, 4: 0.5}[recipe.epochs]
        fitted = {"f": {"before": f, "after": f}, "temperature": {"after": 1.0}, "threshold": 0.0, "entities": 1}
        return module.Judgement(recipe, {**fitted, "ece": {"after": 0.1}}, [f, f])

    monkeypatch.setattr(module, "_judge", judge)
    monkeypatch.setattr(module, "_train_last", lambda best, *args: trained.append(best.recipe) or make_folder(args[2]))
    recipes = [Recipe(1), Recipe(2, 1e-4), Recipe(4)]
    best = cross_validate(tmp_path / "out", validation(place, recipes=recipes))
    assert trained == [Recipe(2, 1e-4)]
    assert best.recipe == Recipe(2, 1e-4)
    assert [row["f"] for row in json.loads((tmp_path / "out" / "folds.json").read_text())] == [0.3, 0.6, 0.5]


def make_folder(output):
    (output / "model-best").mkdir(parents=True)
    (output / "model-best" / "meta.json").write_text("{}")


def test_a_second_time_it_is_kept(done, place, monkeypatch):
    output, best = done
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: pytest.fail("training has begun"))
    again = cross_validate(output, validation(place))
    assert again.f == pytest.approx(best.f)
    assert again.recipe == best.recipe


def test_a_killed_run_goes_on(done, place, tmp_path, monkeypatch):
    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "_train_last", killed)
        with pytest.raises(KeyboardInterrupt):
            cross_validate(tmp_path / "out", validation(place))
    ran = []
    before = module.train
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: ran.append(before(*args, **kwargs)))
    with monkeypatch.context() as patch:
        patch.setattr("spacy_crossner.training.train.run_training", count_calls(ran))
        with pytest.raises(StopIteration):
            cross_validate(tmp_path / "out", validation(place))
    # The folds were kept; the first training that began is that of all sentences.
    assert len(ran) == FOLDS + 1


def count_calls(ran):
    def run_training(config_path, output, *args, **kwargs):
        ran.append(output)
        raise StopIteration

    return run_training


def test_an_earlier_result_is_unfinished_while_a_new_run_goes_on(done, place, tmp_path, monkeypatch):
    shutil.copytree(done[0], tmp_path / "out")

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(tmp_path / "out", validation(place, seeds=1))
    assert (tmp_path / "out" / "model-best").is_dir()
    assert not (tmp_path / "out" / "fingerprint.json").exists()


def test_dev_of_the_user_is_not_needed_and_not_used(place, tmp_path, monkeypatch):
    seen = []

    def note(config_path, output, **given):
        seen.append(given["overrides"])
        raise StopIteration

    monkeypatch.setattr(module, "train", note)
    with pytest.raises(StopIteration):
        cross_validate(tmp_path / "out", validation(place))
    assert seen[0]["paths.dev"].endswith("1/dev.spacy")
    assert seen[0]["paths.train"].endswith("1/train.spacy")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"seeds": 0}, "seeds is 0"),
        ({"recipes": []}, "epochs and rates"),
        ({"recipes": [Recipe(0)]}, "epochs and rates"),
        ({"folds": 99}, "C671"),
    ],
)
def test_what_is_wrong_is_said_before_a_training(changes, said, place, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train", lambda *args, **kwargs: pytest.fail("training has begun"))
    with pytest.raises(CrossnerError, match=said):
        cross_validate(tmp_path / "out", validation(place, **changes))


def test_the_command(place, tmp_path):
    words = ["cross-validate", str(CONFIGS / "finetune.cfg"), "--output", str(tmp_path / "out"), "--folds", "2"]
    words += ["--epochs", "1", "--min-steps", "0", "--seeds", "1"]
    for name, value in validation(place).overrides.items():
        words += [f"--{name}", str(value)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "Expected F1" in result.output
    assert spacy.load(tmp_path / "out" / "model-best").pipe_names == ["ner"]
