from itertools import product

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_crossner.evaluation.bootstrap import f1, paired_bootstrap
from spacy_crossner.evaluation.metrics import strict_scores
from spacy_crossner.evaluation.mistakes import count_entities


def test_counts_and_f1_are_those_of_the_strict_scores():
    vocab = spacy.blank("en").vocab
    spans = [([(0, 2, "a")], [(0, 2, "a"), (3, 4, "b")]), ([(1, 2, "b")], [(1, 2, "a")]), ([], [])]
    docs = []
    for pair in spans:
        docs.append([Doc(vocab, words=["x"] * 5) for _ in pair])
        for doc, found in zip(docs[-1], pair, strict=True):
            doc.set_ents([Span(doc, *span) for span in found])
    gold, predicted = ([pair[i] for pair in docs] for i in (0, 1))
    counts = count_entities(gold, predicted)
    assert counts.tolist() == [[1, 2, 1], [0, 1, 1], [0, 0, 0]]
    tags = [
        [[f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type else "O" for token in doc] for doc in side]
        for side in (gold, predicted)
    ]
    assert f1(counts.sum(axis=0)) == pytest.approx(strict_scores(*tags)["f"])


def test_the_interval_is_that_of_all_samples():
    first = np.array([[3, 4, 5], [0, 1, 2], [2, 2, 2]])
    second = np.array([[2, 4, 5], [1, 2, 2], [1, 2, 2]])
    # All ways to draw three sentences of three are equally likely.
    every = [
        float(f1(first[list(drawn)].sum(axis=0)) - f1(second[list(drawn)].sum(axis=0)))
        for drawn in product(range(3), repeat=3)
    ] * 1000
    found = paired_bootstrap(first, second, samples=20_000)
    assert found["difference"] == pytest.approx(f1(first.sum(axis=0)) - f1(second.sum(axis=0)))
    assert found["low"] == pytest.approx(np.quantile(every, 0.025), abs=0.02)
    assert found["high"] == pytest.approx(np.quantile(every, 0.975), abs=0.02)
    expected = np.mean([value - found["difference"] >= found["difference"] for value in every])
    assert found["p_value"] == pytest.approx(expected, abs=0.02)


def test_a_clear_difference_is_significant_and_none_is_not():
    rng = np.random.default_rng(0)
    gold = rng.integers(1, 5, 300)
    good = np.stack([rng.binomial(gold, 0.8), gold, gold], axis=1)
    bad = np.stack([rng.binomial(gold, 0.6), gold, gold], axis=1)
    assert paired_bootstrap(good, bad)["p_value"] < 0.01
    assert paired_bootstrap(bad, good)["p_value"] == 1
    assert paired_bootstrap(good, good)["p_value"] == 1
    assert paired_bootstrap(good, bad, seed=1)["low"] > 0
    assert paired_bootstrap(good, bad, samples=500) == paired_bootstrap(good, bad, samples=500)
    luck = np.stack([rng.binomial(gold, 0.8), gold, gold], axis=1)
    assert min(paired_bootstrap(good, luck)["p_value"], paired_bootstrap(luck, good)["p_value"]) > 0.01
