"""The mean of the weights of several trainings: what it is, what is saved, and what a killed run goes on from."""

import json
import shutil

import pytest
import spacy
import torch
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.ways import find_ways
from spacy_crossner.fingerprints import path_digest
from spacy_crossner.training import averaging
from spacy_crossner.training.averaging import average_pipelines, seed_overrides, train_average, write_average
from spacy_crossner.training.configs import complete_config
from spacy_crossner.training.parameters import parameters
from spacy_crossner.training.train import train

from ..configs.stages import CONFIGS

LABELS = ["person", "place", "thing"]
SEEDS = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory, annotated_docs, tiny_encoder):
    """Give a folder with a corpus and a source stage."""
    folder = tmp_path_factory.mktemp("average")
    docs = annotated_docs(spacy.blank("en"))
    write_docbin(docs, folder / "train.spacy")
    write_docbin(docs[:8], folder / "dev.spacy")
    (folder / "labels.json").write_text(json.dumps([*LABELS, "planet"]))
    overrides = {"paths.train": str(folder / "train.spacy"), "paths.dev": str(folder / "dev.spacy")}
    overrides |= {"paths.encoder": str(tiny_encoder), "training.optimizer.encoder_rate": 0.01}
    train(CONFIGS / "crf.cfg", folder / "source", epochs=6, evaluations=1, overrides=overrides)
    return folder


def given(place, **more):
    overrides = {"paths.train": str(place / "train.spacy"), "paths.dev": str(place / "dev.spacy"), "system.seed": 4}
    overrides |= {"paths.labels": str(place / "labels.json")}
    return {**overrides, "paths.pretrained": str(place / "source" / "model-best"), **more}


def run(place, output, seeds=SEEDS, **more):
    settings = {"epochs": 3, "min_steps": 0, "evaluations": 1, "preset": "auto"}
    train_average(CONFIGS / "finetune.cfg", output, seeds, overrides=given(place, **more), **settings)


def weights(path):
    return {name: tensor.clone() for name, (_, tensor) in parameters(spacy.load(path)).items()}


@pytest.fixture(scope="module")
def members(place, tmp_path_factory):
    """Give the pipelines of three seeds."""
    folder = tmp_path_factory.mktemp("members")
    config = complete_config(CONFIGS / "finetune.cfg", given(place))
    for i, overrides in enumerate(seed_overrides(config, given(place), SEEDS)):
        train(CONFIGS / "finetune.cfg", folder / str(i), epochs=3, evaluations=1, overrides=overrides)
    return [folder / str(i) / "model-best" for i in range(SEEDS)]


@pytest.fixture(scope="module")
def trained(place, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "out"
    run(place, output)
    return output


def test_each_weight_is_the_mean(members):
    found = [weights(path) for path in members]
    mean = {name: tensor for name, (_, tensor) in parameters(average_pipelines(members)).items()}
    assert set(mean) == set(found[0])
    for name, tensor in mean.items():
        expected = sum(each[name].double() for each in found) / SEEDS
        torch.testing.assert_close(tensor.double(), expected, rtol=0, atol=1e-6)
    assert any(not torch.equal(found[0][name], found[1][name]) for name in mean)


def test_the_mean_of_one_pipeline_is_this_pipeline(members, tmp_path):
    average_pipelines([members[0]] * 3).to_disk(tmp_path / "same")
    ours, theirs = weights(tmp_path / "same"), weights(members[0])
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-7)


def test_the_saved_pipeline_predicts_as_the_one_in_memory(members, place, tmp_path):
    nlp = average_pipelines(members)
    docs = [doc.text for doc in read_docbin(place / "train.spacy", Vocab())]
    before = [[(ent.text, ent.label_) for ent in doc.ents] for doc in nlp.pipe(docs)]
    nlp.to_disk(tmp_path / "mean")
    after = [[(ent.text, ent.label_) for ent in doc.ents] for doc in spacy.load(tmp_path / "mean").pipe(docs)]
    assert before == after
    assert any(before)


def test_all_seeds_begin_with_the_same_weights(place, tmp_path):
    config, starts = complete_config(CONFIGS / "finetune.cfg", given(place)), []
    for overrides in seed_overrides(config, given(place), SEEDS):
        # A rate of 0: what is saved is what training began with.
        overrides |= {"training.optimizer.encoder_rate": 0.0, "training.optimizer.head_rate": 0.0}
        path = tmp_path / str(len(starts))
        train(CONFIGS / "finetune.cfg", path, epochs=1, evaluations=1, overrides=overrides)
        starts.append(weights(path / "model-best"))
    for name, tensor in starts[0].items():
        assert torch.equal(tensor, starts[1][name])
        assert torch.equal(tensor, starts[2][name])


def test_seeds_follow_the_first_one_and_share_a_subset(place):
    for limit, expected in ((0, None), (4, 4)):
        overrides = given(place, **{"corpora.train.limit": limit})
        found = list(seed_overrides(complete_config(CONFIGS / "finetune.cfg", overrides), overrides, SEEDS))
        assert [each["system.seed"] for each in found] == [4, 5, 6]
        assert {each["training.seed"] for each in found} == {4}
        assert {each.get("corpora.train.subset_seed") for each in found} == {expected}
    overrides = given(place, **{"corpora.train.limit": 4, "corpora.train.subset_seed": 9, "training.seed": 7})
    found = list(seed_overrides(complete_config(CONFIGS / "finetune.cfg", overrides), overrides, SEEDS))
    assert {(each["training.seed"], each["corpora.train.subset_seed"]) for each in found} == {(7, 9)}


def test_the_result_is_one_pipeline_and_its_scores(trained, members):
    assert sorted(path.name for path in trained.iterdir()) == ["fingerprint.json", "log.jsonl", "model-best"]
    scores = json.loads((trained / "fingerprint.json").read_text())["dev_scores"]
    assert len(scores["pipelines"]) == SEEDS
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    # One evaluation a seed; a curve needs two.
    assert [row["seed"] for row in log] == [4, 5, 6]
    assert [row["score"] for row in log] == pytest.approx(scores["pipelines"], abs=1e-6)
    performance = json.loads((trained / "model-best" / "meta.json").read_text())["performance"]
    if scores["mean"] >= max(scores["pipelines"]):
        assert scores["saved"] == "the mean of their weights"
        assert performance["ents_f"] == pytest.approx(scores["mean"], abs=1e-6)
        found, mean = weights(trained / "model-best"), parameters(average_pipelines(members))
        for name, tensor in found.items():
            torch.testing.assert_close(tensor, mean[name][1], rtol=0, atol=1e-6)
    else:
        assert performance["ents_f"] == pytest.approx(max(scores["pipelines"]), abs=1e-6)


@pytest.mark.parametrize("is_higher", [True, False])
def test_the_better_one_on_dev_is_saved(is_higher, members, tmp_path, monkeypatch):
    kept = iter([0.2, 0.9, 0.3] if not is_higher else [0.0, 0.0, 0.0])
    monkeypatch.setattr(averaging, "_kept_score", lambda path, weights: next(kept))
    monkeypatch.setattr(averaging, "create_evaluation_callback", lambda *args: lambda: (0.5, {"ents_f": 0.5}))
    scores = write_average(members, tmp_path / "best")
    assert (scores["saved"] == "the mean of their weights") is is_higher
    if is_higher:
        assert spacy.load(tmp_path / "best").meta["performance"]["ents_f"] == 0.5
    else:
        assert scores["saved"] == "number 2 of them"
        assert path_digest(tmp_path / "best") == path_digest(members[1])


def test_kept_scores_are_those_of_the_evaluation(members):
    for path in members:
        evaluate, score_weights = averaging._evaluation(spacy.load(path))
        assert averaging._kept_score(path, score_weights) == pytest.approx(evaluate()[0], abs=1e-6)


def test_a_second_time_it_is_kept(trained, place, capsys):
    before = path_digest(trained)
    run(place, trained)
    assert path_digest(trained) == before
    assert "is up to date" in " ".join(capsys.readouterr().out.split())


def test_a_killed_run_goes_on(trained, place, tmp_path, monkeypatch):
    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(averaging, "write_average", killed)
        with pytest.raises(KeyboardInterrupt):
            run(place, tmp_path / "out")
    assert not (tmp_path / "out" / "fingerprint.json").exists()
    with monkeypatch.context() as patch:
        # All three are finished.
        patch.setattr("spacy_crossner.training.train.run_training", killed)
        run(place, tmp_path / "out")
    ours, theirs = weights(tmp_path / "out" / "model-best"), weights(trained / "model-best")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert not (tmp_path / "out" / "seeds").exists()


def test_an_earlier_result_is_unfinished_while_a_new_run_goes_on(trained, place, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "out")

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(averaging, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(place, tmp_path / "out", seeds=SEEDS - 1)
    assert (tmp_path / "out" / "model-best").is_dir()
    with pytest.raises(CrossnerError, match="C210"):
        find_ways(tmp_path)


def test_one_seed_is_an_ordinary_training_and_can_be_replaced(place, tmp_path):
    run(place, tmp_path / "out", seeds=1)
    assert (tmp_path / "out" / "model-last").is_dir()
    run(place, tmp_path / "out", seeds=2)
    # It was that of the first call.
    assert not (tmp_path / "out" / "model-last").exists()
    assert len(json.loads((tmp_path / "out" / "fingerprint.json").read_text())["dev_scores"]["pipelines"]) == 2


def other_labels(nlp):
    nlp.get_pipe("ner").add_label("planet")


def other_components(nlp):
    nlp.add_pipe("sentencizer")


@pytest.mark.parametrize(("change", "problem"), [(other_labels, "other labels"), (other_components, "sentencizer")])
def test_other_pipelines_are_refused(change, problem, members, place, tmp_path):
    nlp = spacy.load(place / "source" / "model-best")
    if change is other_components:
        nlp = spacy.load(members[0])
    change(nlp)
    if change is other_labels:
        nlp = spacy.load(place / "source" / "model-best")
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(CrossnerError, match=f"C528.*{problem}"):
        average_pipelines([members[0], tmp_path / "other"])


def test_weights_of_another_shape_are_refused(members, tmp_path):
    nlp = spacy.load(members[0])
    name, (_, tensor) = next(iter(parameters(nlp).items()))
    shapes = {**parameters(nlp), name: (None, torch.zeros(1, 1, 1))}
    assert tensor.shape != (1, 1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(averaging, "parameters", lambda pipeline: shapes if pipeline is nlp else parameters(pipeline))
        assert f"'{name}'" in averaging._difference(spacy.load(members[0]), nlp)


def test_a_number_of_seeds_below_one_is_refused(place, tmp_path):
    with pytest.raises(CrossnerError, match="C609"):
        run(place, tmp_path / "out", seeds=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_missing_pipeline_is_named_and_nothing_is_left(seeds, place, tmp_path):
    nowhere = str(tmp_path / "nowhere")
    with pytest.raises(CrossnerError, match=r"C203.*nowhere"):
        run(place, tmp_path / "out", seeds=seeds, **{"paths.pretrained": nowhere})
    assert not (tmp_path / "out").exists()


def test_the_command_takes_the_number_of_seeds(place, tmp_path):
    words = ["train", str(CONFIGS / "finetune.cfg"), "--output", str(tmp_path / "out"), "--seeds", "2"]
    words += ["--epochs", "1", "--evaluations", "1"]
    for name, value in given(place).items():
        words += [f"--{name}", str(value)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "the mean of their weights" in result.output
    assert spacy.load(tmp_path / "out" / "model-best").pipe_names == ["ner"]
