import json

import pytest
import spacy
import srsly
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from thinc.api import Config

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.training.first_evaluation import LEFT_OUT, create_skip_first_evaluation
from spacy_crossner.training.train import train

SKIP = {"@callbacks": "spacy_crossner.skip_first_evaluation.v1"}


@pytest.fixture
def config(tmp_path, annotated_docs):
    """Train a small CRF for six steps with an evaluation every two."""
    write_docbin(annotated_docs(spacy.blank("en")), tmp_path / "train.spacy")
    corpus = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "train.spacy")}
    return {
        "nlp": {"lang": "en", "pipeline": ["ner"]},
        "components": {"ner": {"factory": "crf_ner"}},
        "corpora": {"train": corpus, "dev": corpus},
        "training": {
            "seed": 0,
            "gpu_allocator": None,
            "max_steps": 6,
            "eval_frequency": 2,
            "patience": 0,
            "train_corpus": "corpora.train",
            "dev_corpus": "corpora.dev",
            "before_update": SKIP,
            "batcher": {"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8},
            "optimizer": {"@optimizers": "spacy_crossner.HeadAdamW.v1"},
            "logger": {"@loggers": "spacy_crossner.TermLogger.v1", "output_file": str(tmp_path / "log.jsonl")},
            "score_weights": {"ents_f": 1.0, "ents_p": 0.0, "ents_per_type": None},
        },
        "initialize": {},
    }


@pytest.fixture
def scores(monkeypatch):
    """Keep the scores of each evaluation that predicts."""
    found = []
    evaluate = Language.evaluate

    def keep(self, *args, **kwargs):
        found.append(evaluate(self, *args, **kwargs))
        return found[-1]

    monkeypatch.setattr(Language, "evaluate", keep)
    return found


def train_ours(config, output):
    train(config, output)


def train_spacy(config, output):
    spacy_train(config, output)


def weights(folder):
    return (folder / "ner" / "model").read_bytes()


parametrize_trainers = pytest.mark.parametrize("run", [train_ours, train_spacy])


def write(config, path):
    Config(config).to_disk(path)
    return path


def logged(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf8").splitlines()]


@parametrize_trainers
def test_nothing_but_the_first_evaluation_is_left_out(run, config, scores, tmp_path):
    run(write(config, tmp_path / "skip.cfg"), tmp_path / "skip")
    found, rows = list(scores), logged(tmp_path)
    scores.clear()
    config["training"]["before_update"] = {**SKIP, "skip": False}
    run(write(config, tmp_path / "all.cfg"), tmp_path / "all")
    assert len(scores) == 4
    assert [one["ents_f"] for one in found] == [one["ents_f"] for one in scores[1:]]
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert [row["score"] for row in rows] == pytest.approx([one["ents_f"] for one in found])
    assert [row["step"] for row in logged(tmp_path)] == [0, 2, 4, 6]
    for name in ("model-last", "model-best"):
        assert weights(tmp_path / "skip" / name) == weights(tmp_path / "all" / name)
    performance = srsly.read_json(tmp_path / "skip" / "model-best" / "meta.json")["performance"]
    assert performance["ents_f"] == pytest.approx(max(one["ents_f"] for one in found))


@parametrize_trainers
@pytest.mark.parametrize("score", [0.0, 0.1])
def test_the_first_evaluation_sets_the_best_pipeline(run, score, config, tmp_path, monkeypatch):
    monkeypatch.setattr(Language, "evaluate", lambda self, examples: {"ents_f": score})
    config["training"]["max_steps"] = 2
    run(write(config, tmp_path / "config.cfg"), tmp_path / "out")
    # Not the pipeline of step 0, which has two updates less.
    assert weights(tmp_path / "out" / "model-best") == weights(tmp_path / "out" / "model-last")
    loss = srsly.read_json(tmp_path / "out" / "model-best" / "meta.json")["performance"]["ner_loss"]
    assert loss == pytest.approx(logged(tmp_path)[-1]["losses"]["ner"])


@parametrize_trainers
def test_patience_counts_from_the_first_evaluation(run, config, scores, tmp_path, monkeypatch):
    given = iter([0.5, 0.4, 0.3, 0.9])
    monkeypatch.setattr(Language, "evaluate", lambda self, examples: scores.append(0) or {"ents_f": next(given)})
    config["training"].update(patience=4, max_steps=20)
    run(write(config, tmp_path / "config.cfg"), tmp_path / "out")
    # Best at step 2, so step 6 is the last.
    assert [row["step"] for row in logged(tmp_path)] == [2, 4, 6]


@parametrize_trainers
def test_the_only_evaluation_is_kept(run, config, scores, tmp_path):
    config["training"].update(max_steps=1, eval_frequency=2)
    run(write(config, tmp_path / "config.cfg"), tmp_path / "out")
    assert len(scores) == 1
    assert [row["step"] for row in logged(tmp_path)] == [0]


@pytest.mark.parametrize(("skip", "step", "left_out"), [(True, 0, 1), (True, 1, 0), (False, 0, 0)])
def test_one_evaluation_is_replaced(skip, step, left_out):
    nlp = spacy.blank("en")
    nlp.config["training"]["score_weights"] = {"ents_f": 1.0, "ents_p": 0.0, "ents_per_type": None}
    create_skip_first_evaluation(skip)(nlp, {"step": step, "epoch": 0})
    found = [nlp.evaluate([]) for _ in range(2)]
    # Each weighted score is there: spaCy forgets the weight of a score that is missing once.
    expected = [{"ents_f": 0.0, "ents_p": 0.0, LEFT_OUT: 1.0}] if left_out else []
    assert [one for one in found if LEFT_OUT in one] == expected
    assert LEFT_OUT not in found[1]
    assert "evaluate" not in vars(nlp)
