import pytest

from spacy_crossner.evaluation.calibration import calibration
from spacy_crossner.evaluation.metrics import RULE, conlleval_scores, strict_scores, untyped_scores
from spacy_crossner.evaluation.tables import score_table

GOLD = [["B-per", "I-per", "O", "B-per", "B-Multi-tissue_structure"]]
PREDICTED = [["B-per", "I-per", "O", "I-per", "O"]]


@pytest.fixture
def scores():
    return {
        "strict": strict_scores(GOLD, PREDICTED),
        "conlleval": conlleval_scores(GOLD, PREDICTED),
        "untyped": untyped_scores(GOLD, PREDICTED),
        "calibration": calibration([0.9, 0.8], [True, False]),
        "illegal_tags": 1,
        "sentences": 1,
        "words": 5,
        "entities": 3,
        "dropped_seen": 0,
        "words_per_second": 12345.6,
        "batch_size": 64,
    }


def rows(text):
    """Return the lines that end with figures, by their first word."""
    lines = [line.split() for line in text.splitlines() if line]
    return {words[0]: words[1:] for words in lines if words[-1].isdigit()}


def test_table_shows_both_readings_and_types_by_support(scores):
    found = rows(score_table(scores))
    assert found["strict"] == ["100.00", "33.33", "50.00", "3"]
    assert found["lenient"] == ["100.00", "66.67", "80.00", "3"]
    assert found["untyped"] == ["100.00", "33.33", "50.00", "3"]
    assert found["per"] == ["100.00", "50.00", "66.67", "2"]
    assert list(found).index("per") < list(found).index("Multi-tissue_structure")


def test_figures_stand_under_one_another(scores):
    text = score_table({**scores, "calibration": None})
    lines = [line for line in text.splitlines() if line.endswith((" 1", " 2", " 3"))]
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1


def test_rule_and_counts_stand_below(scores):
    text = score_table(scores)
    assert RULE in text.replace(";\n", "; ")
    assert "1 predicted I- tags without a start" in text
    assert "1 sentences, 5 words; 12,346 words/s at batch size 64." in text
    text = score_table({**scores, "illegal_tags": 0, "dropped_seen": 7})
    assert "predicted I-" not in text
    assert "(7 sentences dropped as seen in training)" in text


def test_no_entity_at_all(scores):
    empty = strict_scores([["O"]], [["O"]])
    assert "by type" not in score_table({**scores, "strict": empty, "conlleval": conlleval_scores([["O"]], [["O"]])})


def test_reliability_has_a_row_for_each_bin_with_entities(scores):
    lines = [line.split() for line in score_table(scores).splitlines()]
    assert ["0.8-0.9", "0.900", "1.000", "1"] in lines
    assert ["0.7-0.8", "0.800", "0.000", "1"] in lines
    assert "Expected calibration error 0.450." in score_table(scores)
    assert "calibration" not in score_table({**scores, "calibration": None})
