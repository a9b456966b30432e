"""Rounds of self-training: what each round makes, when the rounds end, and what a killed run goes on from."""

import json
import shutil
from pathlib import Path

import pytest
import spacy
import torch
from spacy.training import Example
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.annotations.soft_labels import get_soft_labels
from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.ways import find_ways
from spacy_crossner.fingerprints import path_digest
from spacy_crossner.self_training import rounds
from spacy_crossner.self_training.rounds import self_train
from spacy_crossner.self_training.settings import RoundSettings, StageSettings
from spacy_crossner.silver.settings import SilverSettings
from spacy_crossner.training.averaging import average_pipelines
from spacy_crossner.training.parameters import parameters
from spacy_crossner.training.train import train

from ..configs.stages import CONFIGS

LABELS = ["person", "place", "thing"]
RAW = [
    "Ada wrote to Grace about the engine of Babbage .",
    "Grace Hopper came to London , and Ada left Berlin .",
    "The Mark II stands in Berlin .",
    "It rained in London for a week .",
    "Alan met Ada in Manchester .",
    "Nobody knows where the Z3 is now .",
]
# The teachers of two steps are sure of little.
SILVER = SilverSettings(sure=0.51, sure_outside=0.51, soft=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory, annotated_docs, tiny_encoder):
    """Give a folder with a corpus, raw text, and a source stage that knows the names of the corpus."""
    folder = tmp_path_factory.mktemp("self-training")
    docs = annotated_docs(spacy.blank("en"))
    write_docbin(docs, folder / "train.spacy")
    write_docbin(docs[:8], folder / "dev.spacy")
    (folder / "labels.json").write_text(json.dumps([*LABELS, "planet"]))
    (folder / "raw.txt").write_text("\n".join([*RAW, docs[0].text]))
    overrides = {"paths.train": str(folder / "train.spacy"), "paths.dev": str(folder / "dev.spacy")}
    overrides |= {"paths.encoder": str(tiny_encoder), "training.optimizer.encoder_rate": 0.01}
    train(CONFIGS / "crf.cfg", folder / "source", epochs=12, evaluations=1, overrides=overrides)
    return folder


def stages(place, **changes):
    given = {
        "train": place / "train.spacy",
        "dev": place / "dev.spacy",
        "labels": place / "labels.json",
        "pretrained": [str(place / "source" / "model-best")],
        "target_config": CONFIGS / "finetune.cfg",
        "student_config": CONFIGS / "student.cfg",
        "epochs": 1,
        "min_steps": 2,
        "seed": 5,
        "overrides": {"stage.upsample": 1} if changes.pop("upsample", False) else {},
    }
    return StageSettings(**{**given, **changes})


def plan(place, **changes):
    return RoundSettings(**{"raw": [place / "raw.txt"], "teachers": 2, "rounds": 1, **changes})


@pytest.fixture(scope="module")
def trained(place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output") / "out"
    return folder, self_train(folder, stages(place), plan(place), SILVER)


def test_each_round_has_its_teachers_and_its_student(trained):
    folder, done = trained
    assert [each.number for each in done] == [0, 1]
    for each in done:
        assert sorted(way.name for way in each.scores) == ["1", "2", "average"]
        assert sorted(way.name for way in each.teachers) == ["1", "2"]
        for way in each.teachers:
            config = spacy.util.load_config(way / "model-best" / "config.cfg")
            assert config["system"]["seed"] == 4 + int(way.name)
            assert set(spacy.load(way / "calibrated").get_pipe("ner").labels) == {*LABELS, "planet"}
    assert (folder / "round-1" / "student" / "model-best").is_dir()
    assert not (folder / "round-0" / "student").exists()


def test_teachers_of_a_round_continue_from_its_student(trained, place):
    folder, _ = trained
    found = [
        spacy.util.load_config(path / "config.cfg")["paths"]["pretrained"]
        for path in (folder / "round-0/teachers/1/model-best", folder / "round-1/teachers/1/model-best")
    ]
    assert found == [str(place / "source" / "model-best"), str(folder / "round-1" / "student" / "model-best")]
    student = spacy.util.load_config(folder / "round-1" / "student" / "model-best" / "config.cfg")
    assert student["paths"]["pretrained"] == str(place / "source" / "model-best")


def test_a_student_learns_soft_labels_of_raw_text_alone(trained, place):
    folder, _ = trained
    docs = read_docbin(folder / "round-1" / "silver.spacy", Vocab())
    gold = {doc.text for doc in read_docbin(place / "train.spacy", Vocab())}
    assert docs
    assert {doc.text for doc in docs} <= set(RAW) - gold
    assert all(get_soft_labels(doc) is not None for doc in docs)


def test_the_result_is_the_best_pipeline_of_the_best_round(trained):
    folder, done = trained
    best = max(done, key=lambda each: each.mean)
    assert path_digest(folder / "model-best") == path_digest(best.best / "model-best")
    table = json.loads((folder / "rounds.json").read_text())
    assert [row["round"] for row in table] == [0, 1]
    assert table[1]["mean_dev_f"] == pytest.approx(done[1].mean)
    # A way of the project, to calibrate and to evaluate like the others.
    assert (folder / "fingerprint.json").is_file()


def test_a_second_time_all_is_kept(trained, place, capsys):
    folder, done = trained
    before = path_digest(folder)
    capsys.readouterr()
    again = self_train(folder, stages(place), plan(place), SILVER)
    assert path_digest(folder) == before
    assert again == done
    # Four teachers and two means of their weights, their calibrations, the labels and the student.
    assert " ".join(capsys.readouterr().out.split()).count("is up to date") == 6 + 6 + 1 + 1


@pytest.mark.parametrize("step", ["make_silver", "calibrate_ways", "write_record"])
def test_a_killed_run_goes_on(step, trained, place, tmp_path, monkeypatch):
    folder, done = trained

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rounds, step, killed)
        with pytest.raises(KeyboardInterrupt):
            self_train(tmp_path / "out", stages(place), plan(place), SILVER)
    again = self_train(tmp_path / "out", stages(place), plan(place), SILVER)
    assert [each.mean for each in again] == pytest.approx([each.mean for each in done])
    for name in ("round-1/silver.spacy", "round-1/student/model-best/ner/model"):
        assert path_digest(tmp_path / "out" / name) == path_digest(folder / name)


@pytest.mark.parametrize(("scores", "numbers", "best"), [([5, 4, 6], [0, 1], 0), ([5, 6, 6], [0, 1, 2], 1)])
def test_rounds_end_when_dev_does_not_rise(scores, numbers, best, place, tmp_path, monkeypatch):
    def teach(run, number, pretrained):
        way = tmp_path / f"round-{number}" / "teachers" / "1"
        (way / "model-best").mkdir(parents=True)
        (way / "model-best" / "meta.json").write_text(str(number))
        return rounds.Round(number, {way: scores[number]})

    monkeypatch.setattr(rounds.SelfTraining, "teach", teach)
    monkeypatch.setattr(rounds.SelfTraining, "learn", lambda run, before: tmp_path / "student")
    done = self_train(tmp_path, stages(place), plan(place, rounds=5), SILVER)
    assert [each.number for each in done] == numbers
    assert (tmp_path / "model-best" / "meta.json").read_text() == str(best)


def test_several_pipelines_of_the_source_stage_take_turns(place, tmp_path, monkeypatch):
    used = []

    class Stop(Exception):
        pass

    def stop(run, before):
        raise Stop

    monkeypatch.setattr(rounds, "train", lambda config, output, **given: used.append(given["overrides"]))
    monkeypatch.setattr(rounds, "calibrate_ways", lambda *args, **kwargs: [])
    monkeypatch.setattr(rounds, "rank_ways", lambda folder: {folder / str(i): 0.5 for i in (1, 2, 3)})
    monkeypatch.setattr(rounds.SelfTraining, "learn", stop)
    monkeypatch.setattr(rounds, "check_inputs", lambda stages, rounds: rounds)
    with pytest.raises(Stop):
        self_train(tmp_path, stages(place, pretrained=["a", "b"]), plan(place, teachers=3), SILVER)
    assert [each["paths.pretrained"] for each in used] == ["a", "b", "a"]
    assert [each["system.seed"] for each in used] == [5, 6, 7]


def test_hard_labels_alone(place, tmp_path):
    hard = SilverSettings(sure=0.51, sure_outside=0.51)
    self_train(tmp_path / "out", stages(place), plan(place, teachers=1), hard)
    docs = read_docbin(tmp_path / "out" / "round-1" / "silver.spacy", Vocab())
    assert docs
    assert all(get_soft_labels(doc) is None for doc in docs)
    assert (tmp_path / "out" / "model-best").is_dir()


REFUSED = {
    "C524 none": ({"pretrained": []}, "C524"),
    "C524 empty": ({"pretrained": [""]}, "C524"),
    "C526": ({"raw": []}, "C526"),
    "no rounds": ({"rounds": 0}, "rounds is 0"),
    "no teachers": ({"teachers": 0}, "teachers is 0"),
    "text": ({"raw": [Path("nowhere.txt")]}, "nowhere.txt"),
    "config": ({"student_config": CONFIGS / "nowhere.cfg"}, "nowhere.cfg"),
    "labels": ({"labels": CONFIGS / "nowhere.json"}, "nowhere.json"),
    "test set": ({"exclude": [CONFIGS / "nowhere.spacy"]}, "nowhere.spacy"),
    "map": ({"names": [Path("names.tsv")], "type_map": Path("map.tsv")}, "C603"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_said_before_the_first_training(case, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("names.tsv").write_text("Ada\tpioneer\n")
    Path("map.tsv").write_text("city\tplace\n")
    changes, message = REFUSED[case]
    of_plan = {name: value for name, value in changes.items() if name in RoundSettings.__dataclass_fields__}
    of_stages = {name: value for name, value in changes.items() if name not in of_plan}
    monkeypatch.setattr(rounds, "train", lambda *args, **kwargs: pytest.fail("training has begun"))
    with pytest.raises(CrossnerError, match=message):
        self_train(tmp_path / "out", stages(place, **of_stages), plan(place, **of_plan), SILVER)
    assert not (tmp_path / "out").exists()


def test_pipelines_of_other_methods_are_refused(place, tmp_path):
    nlp = spacy.blank("en")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 30, "window_size": 1}
    tok2vec.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
    ner = nlp.add_pipe("moee_ner", config={"model": {"tok2vec": tok2vec}})
    examples = [Example(doc.copy(), doc) for doc in read_docbin(place / "dev.spacy", nlp.vocab)]
    ner.initialize(lambda: examples, nlp=nlp, labels=LABELS)
    nlp.to_disk(tmp_path / "moee")
    with pytest.raises(CrossnerError, match=r"C525.*moee"):
        self_train(tmp_path / "out", stages(place, pretrained=[str(tmp_path / "moee")]), plan(place), SILVER)


def test_a_test_set_may_be_text(place, tmp_path):
    (tmp_path / "test.txt").write_text(RAW[0])
    assert rounds.check_inputs(stages(place), plan(place, exclude=[tmp_path / "test.txt"])).exclude


def test_a_list_without_types_is_left_out_and_its_map_too(place, tmp_path, capsys):
    (tmp_path / "names.tsv").write_text("Ada\n")
    given = plan(place, names=[tmp_path / "names.tsv"], type_map=tmp_path / "nowhere.tsv")
    found = rounds.check_inputs(stages(place), given)
    assert (found.names, found.type_map) == ([], None)
    assert "C601" in capsys.readouterr().out


def test_teachers_share_the_subset_and_the_weights_that_they_begin_with(place, tmp_path):
    limited = stages(place, overrides={"corpora.train.limit": 4})
    self_train(tmp_path / "out", limited, plan(place), SILVER)
    found = [
        spacy.util.load_config(tmp_path / f"out/round-0/teachers/{i}/model-best/config.cfg", interpolate=True)
        for i in (1, 2)
    ]
    assert [config["corpora"]["train"]["subset_seed"] for config in found] == [5, 5]
    assert [config["corpora"]["train"]["seed"] for config in found] == [5, 6]
    assert [config["training"]["seed"] for config in found] == [5, 5]


def test_the_mean_of_the_weights_is_that_of_the_teachers_of_the_round(trained):
    folder, done = trained
    for each in done:
        ways = folder / f"round-{each.number}" / "teachers"
        mean = parameters(average_pipelines([ways / "1" / "model-best", ways / "2" / "model-best"]))
        found = parameters(spacy.load(ways / "average" / "model-best"))
        assert all(torch.equal(tensor, mean[name][1]) for name, (_, tensor) in found.items())


def test_pipelines_of_several_sources_have_no_mean(place, tmp_path):
    shutil.copytree(place / "source" / "model-best", tmp_path / "other")
    two = stages(place, pretrained=[str(place / "source" / "model-best"), str(tmp_path / "other")])
    done = self_train(tmp_path / "out", two, plan(place), SILVER)
    assert sorted(way.name for way in done[0].scores) == ["1", "2"]
    # All of round 1 continue from one student.
    assert sorted(way.name for way in done[1].scores) == ["1", "2", "average"]


def test_types_that_only_the_list_has_are_labels_of_the_student(place, tmp_path):
    (tmp_path / "names.tsv").write_text("engine\tmachine\n")
    given = plan(place, teachers=1, names=[tmp_path / "names.tsv"])
    self_train(tmp_path / "out", stages(place), given, SILVER)
    student = spacy.load(tmp_path / "out" / "round-1" / "student" / "model-best")
    assert set(student.get_pipe("ner").labels) == {*LABELS, "planet", "machine"}


def test_an_earlier_result_is_unfinished_while_a_new_run_goes_on(trained, place, monkeypatch, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(trained[0], folder)

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(rounds, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        self_train(folder, stages(place), plan(place), SILVER)
    with pytest.raises(CrossnerError, match="C210"):
        find_ways(tmp_path)


def command(place, output, *, raw):
    words = ["self-train", "--output", str(output), "--train", str(place / "train.spacy"), "--raw", raw]
    words += ["--dev", str(place / "dev.spacy"), "--labels", str(place / "labels.json"), "--rounds", "1"]
    words += ["--pretrained", str(place / "source" / "model-best"), "--names", "", "--map", "", "--teachers", "1"]
    words += ["--target-config", str(CONFIGS / "finetune.cfg"), "--student-config", str(CONFIGS / "student.cfg")]
    words += ["--epochs", "1", "--min-steps", "2", "--sure", "0.51", "--training.batcher.size", "7"]
    return CliRunner().invoke(app, words)


def test_the_command_passes_settings_on(place, tmp_path):
    result = command(place, tmp_path / "out", raw=str(place / "raw.txt"))
    assert result.exit_code == 0, result.output
    assert "Round 1: mean dev F1" in result.output
    for name in ("round-0/teachers/1", "round-1/student"):
        config = spacy.util.load_config(tmp_path / "out" / name / "model-best" / "config.cfg")
        assert config["training"]["batcher"]["size"] == 7
