"""The limits that follow from figures: which types are named, and at which figures."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from spacy_crossner.evaluation.card.facts import Facts
from spacy_crossner.evaluation.card.limits import find_limits, limits_of_scores, limits_of_types, limits_of_use
from spacy_crossner.evaluation.card.stages import DataSet, Stage


def per_type(**figures):
    return {label: {"p": f, "r": f, "f": f, "support": n} for label, (f, n) in figures.items()}


@pytest.fixture
def facts():
    train = DataSet("train.spacy", "train", "as given", ["ai"], 40, {"low": 19, "good": 20, "unseen": 50})
    weak = DataSet("listed.spacy", "train", "automatic", ["listed"], 90, {"none": 99})
    scores = {
        "strict": {"p": 0.8, "r": 0.625, "f": 0.7, "per_type": per_type(low=(0.499, 9), good=(0.5, 9), wrong=(0.0, 0))},
        "sentences": 1200,
    }
    stage = Stage({}, {}, [train, weak], [])
    return Facts({"lang": "de"}, ["low", "good", "unseen", "none"], [stage], [], [], None, None, scores)


def test_types_are_named_by_their_figures(facts):
    low, absent, few = limits_of_types(facts)
    assert low.startswith("Types with an F1 below 50 on test: `low` (49.9).")
    assert absent.startswith("Types without an entity in the test set: `unseen`, `none`.")
    assert few.startswith("Types with fewer than 20 training entities in the last stage: `none` (0), `low` (19).")


def test_nothing_is_said_about_figures_that_are_not_known(facts):
    unknown = Stage({}, {}, [DataSet("train.spacy", "train")], [])
    assert limits_of_types(replace(facts, scores=None, stages=[unknown])) == []
    assert "unknown" in limits_of_scores(replace(facts, scores=None))[0]


def test_misses_and_errors_are_complements_of_recall_and_precision(facts):
    text, calibration = limits_of_scores(facts)
    assert "On test it misses 37.5% of the entities, and 20.0% of the entities that it finds are wrong." in text
    assert "1,200 sentences" in text
    assert calibration.startswith("No calibration is known")


def test_a_calibration_is_only_for_text_of_its_kind(facts):
    fitted = replace(facts, calibration={"data": {"file": "dev.spacy", "sentences": 350}, "components": []})
    assert "were fitted on 350 sentences, `dev.spacy`" in limits_of_scores(fitted)[1]


def test_language_and_domain_are_named(facts):
    assert limits_of_use(facts)[0].startswith("It was made for text in the language `de` of the domain `ai`.")
    other = replace(facts, stages=[SimpleNamespace(data=[])])
    assert limits_of_use(other)[0].startswith("It was made for text in the language `de`.")


def test_people_are_always_mentioned(facts):
    assert "Make no decision about a person" in find_limits(facts)[-1]
