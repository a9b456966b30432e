import json
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import bio_to_spans
from spacy_crossner.evaluation.metrics import conlleval_scores, count_illegal, strict_scores, untyped_scores

LABELS = ["per", "geo-loc", "geo", "Multi-tissue_structure", "x-", "-x", "_"]
TAGS = ["O"] + [f"{prefix}-{label}" for label in LABELS for prefix in "BI"]
DATA = Path(__file__).parents[2] / "../shared/data"


@st.composite
def tag_pairs(draw):
    """Sentences with gold and predicted tags; few labels, so that the two often agree."""
    tags = st.sampled_from(["O", *draw(st.lists(st.sampled_from(TAGS[1:]), min_size=1, max_size=4))])
    lengths = draw(st.lists(st.integers(0, 8), max_size=4))
    return tuple([draw(st.lists(tags, min_size=n, max_size=n)) for n in lengths] for _ in range(2))


def prf(correct, predicted, gold):
    p = correct / predicted if predicted else 0.0
    r = correct / gold if gold else 0.0
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def strict_spans(tags):
    """Spans by the book: a B- tag and all I- tags of its label that follow it at once."""
    for start, tag in enumerate(tags):
        if tag[0] == "B":
            end = start + 1
            while end < len(tags) and tags[end] == f"I-{tag[2:]}":
                end += 1
            yield start, end, tag[2:]


def conlleval(pairs):
    """The counting loop of the CoNLL evaluation script, token by token over (gold, predicted) tags."""

    def starts(before, tag):
        return tag[0] == "B" or (tag != "O" and (before == "O" or before[2:] != tag[2:]))

    def ends(before, tag):
        return before != "O" and (tag == "O" or tag[0] == "B" or before[2:] != tag[2:])

    counts = Counter()
    last_gold = last_guess = "O"
    in_correct = False
    for gold, guess in [*pairs, ("O", "O")]:
        if in_correct:
            end_gold, end_guess = ends(last_gold, gold), ends(last_guess, guess)
            if end_gold and end_guess:
                counts["correct"] += 1
            if end_gold or end_guess:
                in_correct = False
        start_gold, start_guess = starts(last_gold, gold), starts(last_guess, guess)
        if start_gold and start_guess and gold[2:] == guess[2:]:
            in_correct = True
        counts["gold"] += start_gold
        counts["guessed"] += start_guess
        last_gold, last_guess = gold, guess
    return prf(counts["correct"], counts["guessed"], counts["gold"])


@given(tag_pairs())
def test_strict_equals_counting_spans(pair):
    gold, predicted = pair
    found = [[(i, *span) for i, tags in enumerate(side) for span in strict_spans(tags)] for side in (gold, predicted)]
    scores = strict_scores(gold, predicted)
    correct = len(set(found[0]) & set(found[1]))
    assert (scores["p"], scores["r"], scores["f"]) == pytest.approx(prf(correct, len(found[1]), len(found[0])))
    assert set(scores["per_type"]) == {span[3] for side in found for span in side}
    for label, row in scores["per_type"].items():
        of_gold, of_predicted = ({span for span in side if span[3] == label} for side in found)
        expected = prf(len(of_gold & of_predicted), len(of_predicted), len(of_gold))
        assert (row["p"], row["r"], row["f"], row["support"]) == pytest.approx((*expected, len(of_gold)))


@given(tag_pairs())
@example(([["B-per"], ["O"]], [["B-per"], ["I-per"]]))
def test_conlleval_equals_the_script(pair):
    gold, predicted = pair
    tokens = [tags for pair in zip(gold, predicted, strict=True) for tags in zip(*pair, strict=True)]
    assert tuple(conlleval_scores(gold, predicted).values()) == pytest.approx(conlleval(tokens))


@given(tag_pairs())
def test_readings_agree_on_legal_tags(pair):
    legal = [tags for tags in zip(*pair, strict=True) if not any(map(count_illegal, tags))]
    gold, predicted = [tags for tags, _ in legal], [tags for _, tags in legal]
    strict = strict_scores(gold, predicted)
    assert conlleval_scores(gold, predicted) == pytest.approx({key: strict[key] for key in "prf"})


@given(tag_pairs())
def test_untyped_is_strict_with_one_type_for_all(pair):
    legal = [tags for tags in zip(*pair, strict=True) if not any(map(count_illegal, tags))]
    gold, predicted = [tags for tags, _ in legal], [tags for _, tags in legal]
    renamed = [[[tag[:1] + "-any" * (tag != "O") for tag in tags] for tags in side] for side in (gold, predicted)]
    strict = strict_scores(*renamed)
    assert untyped_scores(gold, predicted) == pytest.approx({key: strict[key] for key in "prf"})


def test_untyped_takes_a_wrong_type_and_no_illegal_tag():
    gold = [["B-per", "I-per", "O", "B-geo"]]
    assert untyped_scores(gold, [["B-geo", "I-geo", "O", "I-geo"]]) == {"p": 1.0, "r": 0.5, "f": pytest.approx(2 / 3)}
    assert untyped_scores(gold, [["B-geo", "I-per", "O", "O"]])["f"] == 0.0


def test_where_the_readings_part():
    gold = [["B-per", "I-per", "O", "B-geo"]]
    predicted = [["I-per", "I-per", "O", "B-geo"]]
    assert strict_scores(gold, predicted) == {
        "p": 1.0,
        "r": 0.5,
        "f": pytest.approx(2 / 3),
        "per_type": {
            "geo": {"p": 1.0, "r": 1.0, "f": 1.0, "support": 1},
            "per": {"p": 0.0, "r": 0.0, "f": 0.0, "support": 1},
        },
    }
    assert conlleval_scores(gold, predicted) == {"p": 1.0, "r": 1.0, "f": 1.0}


def test_conlleval_joins_sentences():
    gold = [["O", "B-per"], ["O", "O"]]
    predicted = [["O", "B-per"], ["I-per", "O"]]
    assert conlleval_scores(gold, predicted)["f"] == 0.0
    assert strict_scores(gold, predicted)["f"] == 1.0


def test_types_are_sorted_by_support():
    gold = [["B-geo", "B-per", "B-per", "B-x-"]]
    scores = strict_scores(gold, [["B-geo", "B-per", "O", "B-_"]])
    assert list(scores["per_type"]) == ["per", "geo", "x-", "_"]
    assert scores["per_type"]["_"] == {"p": 0.0, "r": 0.0, "f": 0.0, "support": 0}


def test_labels_that_differ_in_a_hyphen_only_stay_apart():
    assert strict_scores([["B-x-", "B-geo-loc"]], [["B-x", "B-loc"]])["f"] == 0.0
    assert conlleval_scores([["B-x-", "B-geo-loc"]], [["B-x", "B-loc"]])["f"] == 0.0
    assert strict_scores([["B-Multi-tissue_structure"]], [["B-Multi-tissue_structure"]])["f"] == 1.0


@pytest.mark.parametrize(
    ("gold", "predicted"),
    [
        ([], []),
        ([[]], [[]]),
        ([["O"]], [["O"]]),
        ([["B-per"]], [["O"]]),
        ([["O"]], [["B-per"]]),
        ([["O"]], [["I-per"]]),
    ],
)
def test_nothing_to_count_scores_zero_without_a_warning(gold, predicted):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        strict, lenient = strict_scores(gold, predicted), conlleval_scores(gold, predicted)
    assert {key: strict[key] for key in "prf"} == lenient == {"p": 0.0, "r": 0.0, "f": 0.0}


def test_scores_are_plain_numbers():
    gold = [["B-per", "I-per", "O"], ["O"]]
    assert json.loads(json.dumps(strict_scores(gold, gold)))["per_type"]["per"]["support"] == 1
    assert json.loads(json.dumps(conlleval_scores(gold, gold))) == {"p": 1.0, "r": 1.0, "f": 1.0}


@pytest.mark.parametrize("score", [strict_scores, conlleval_scores, untyped_scores])
@pytest.mark.parametrize("tag", ["E-per", "S-per", "per", "B", "B-", "", "o"])
def test_other_tags_are_refused(score, tag):
    with pytest.raises(ValueError, match="is not a BIO tag"):
        score([["O"]], [[tag]])


@pytest.mark.parametrize("score", [strict_scores, conlleval_scores, untyped_scores])
@pytest.mark.parametrize("predicted", [[["O"]], [["O"], ["O", "O"]], [["O", "O"], ["O"], ["O"]]])
def test_lengths_must_agree(score, predicted):
    with pytest.raises(ValueError, match="differ"):
        score([["O", "O"], ["O"]], predicted)


@pytest.mark.parametrize(
    ("tags", "count"),
    [([], 0), (["I-per"], 1), (["B-per", "I-per", "I-per"], 0), (["B-per", "I-geo", "I-geo"], 1), (["O", "I-per"], 1)],
)
def test_count_illegal(tags, count):
    assert count_illegal(tags) == count


@pytest.mark.skipif(not DATA.exists(), reason="needs the shared data")
@pytest.mark.parametrize(("name", "entities"), [("crossner/ai", 1809), ("bionlp13pc", 5306), ("wnut16", 3473)])
def test_real_tags(name, entities):
    blocks = (DATA / name / "test.txt").read_text(encoding="utf8").strip().split("\n\n")
    gold = [[line.split("\t")[1] for line in block.splitlines()] for block in blocks]
    scores = strict_scores(gold, gold)
    assert scores["f"] == conlleval_scores(gold, gold)["f"] == 1.0
    assert sum(row["support"] for row in scores["per_type"].values()) == entities
    assert set(scores["per_type"]) == {label for tags in gold for _, _, label in bio_to_spans(tags)}
