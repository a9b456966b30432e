from itertools import product

import numpy as np
import pytest
import spacy
from scipy import stats
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
    deviations = np.array(every) - found["difference"]
    assert found["p_value"] == pytest.approx(np.mean(deviations >= found["difference"] - 1e-9), abs=0.02)
    two_sided = np.mean(abs(deviations) >= found["difference"] - 1e-9)
    assert found["p_two_sided"] == pytest.approx(two_sided, abs=0.02)
    # The other way round the difference is negative, and the one-sided test asks the opposite.
    turned = paired_bootstrap(second, first, samples=20_000)
    assert turned["difference"] == pytest.approx(-found["difference"])
    assert turned["p_value"] == pytest.approx(np.mean(deviations <= found["difference"] + 1e-9), abs=0.02)
    assert turned["p_two_sided"] == pytest.approx(two_sided, abs=0.02)


def test_a_clear_difference_is_significant_and_none_is_not():
    rng = np.random.default_rng(0)
    gold = rng.integers(1, 5, 300)
    good = np.stack([rng.binomial(gold, 0.8), gold, gold], axis=1)
    bad = np.stack([rng.binomial(gold, 0.6), gold, gold], axis=1)
    assert paired_bootstrap(good, bad)["p_value"] < 0.01
    assert paired_bootstrap(bad, good)["p_value"] == 1
    assert paired_bootstrap(bad, good)["p_two_sided"] < 0.01
    equal = paired_bootstrap(good, good)
    assert equal["p_value"] == equal["p_two_sided"] == 1
    assert paired_bootstrap(good, bad, seed=1)["low"] > 0
    assert paired_bootstrap(good, bad, samples=500) == paired_bootstrap(good, bad, samples=500)
    luck = np.stack([rng.binomial(gold, 0.8), gold, gold], axis=1)
    assert min(paired_bootstrap(good, luck)["p_value"], paired_bootstrap(luck, good)["p_value"]) > 0.01


def test_seeds_are_a_level_of_their_own():
    """With sentences that are all alike, the samples are those of Student's t over seeds."""
    first = np.array([[[right, 100, 100]] * 50 for right in (60, 64, 65)])
    second = np.array([[[right, 100, 100]] * 50 for right in (59, 60, 62)])
    found = paired_bootstrap(first, second, samples=50_000)
    assert found["by_seed"] == pytest.approx([0.01, 0.04, 0.03])
    expected = stats.ttest_rel([0.60, 0.64, 0.65], [0.59, 0.60, 0.62])
    assert found["p_two_sided"] == pytest.approx(expected.pvalue, abs=0.01)
    assert found["p_value"] == pytest.approx(expected.pvalue / 2, abs=0.01)
    low, high = expected.confidence_interval(0.95)
    assert (found["low"], found["high"]) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
    # One seed is one pipeline.
    one = np.stack([np.arange(50) % 3, np.full(50, 2), np.full(50, 2)], axis=1)
    other = one[::-1]
    assert paired_bootstrap(one[None], other[None]) == paired_bootstrap(one, other)


def simulate(rng, n_seeds, of_seeds, of_sentences, effect=0.0, n=100):
    """Return counts of two methods. Their logits differ at random by seed and by sentence, and by an effect."""
    gold = rng.integers(0, 6, n)
    difficulty = rng.normal(0.3, 0.5, n)
    sides = []
    for gain in (effect, 0.0):
        logits = difficulty + gain + rng.normal(0, of_sentences, n) + rng.normal(0, of_seeds, (n_seeds, 1))
        right = rng.binomial(gold, 1 / (1 + np.exp(-logits)))
        wrong = rng.binomial(gold - right, 0.7)
        sides.append(np.stack([right, right + wrong, np.broadcast_to(gold, right.shape)], axis=-1))
    return sides


def p_values(n_seeds, of_seeds, of_sentences, effect=0.0, n=400):
    rng = np.random.default_rng(1)
    pairs = (simulate(rng, n_seeds, of_seeds, of_sentences, effect) for _ in range(n))
    found = [paired_bootstrap(*pair, samples=200, seed=seed) for seed, pair in enumerate(pairs)]
    return np.array([[test["p_value"], test["p_two_sided"]] for test in found])


# Standard deviations of logits over seeds and over sentences.
NOISE = {"few entities": (0.0, 0.0), "sentences": (0.0, 0.5), "both": (0.2, 0.3), "seeds": (0.5, 0.0)}


@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("noise", list(NOISE))
def test_methods_that_do_not_differ_are_rarely_found_to_differ(n_seeds, noise):
    # Of 400 tests at a true level of 5%, more than 7% have a probability of 3%; the seed is fixed.
    assert ((p_values(n_seeds, *NOISE[noise]) < 0.05).mean(axis=0) <= 0.07).all()


@pytest.mark.parametrize(("n_seeds", "noise"), [(1, "few entities"), (1, "sentences"), (3, "seeds"), (5, "seeds")])
def test_p_values_of_methods_that_do_not_differ_are_uniform(n_seeds, noise):
    for found in p_values(n_seeds, *NOISE[noise]).T:
        assert stats.kstest(found, "uniform").pvalue > 0.01
        assert 0.02 <= (found < 0.05).mean() <= 0.07


def test_a_test_over_sentences_alone_takes_luck_of_seeds_for_a_method():
    """The reason for the level of seeds: sums over seeds find a difference in every fourth pair of equal methods."""
    rng = np.random.default_rng(1)
    pairs = [simulate(rng, 3, *NOISE["seeds"]) for _ in range(200)]
    naive = [paired_bootstrap(*(side.sum(axis=0) for side in pair), samples=200)["p_value"] for pair in pairs]
    assert np.mean(np.array(naive) < 0.05) > 0.25


def test_an_effect_is_found():
    assert (p_values(3, *NOISE["sentences"], effect=1.0, n=60)[:, 0] < 0.05).mean() > 0.9
    assert (p_values(5, *NOISE["both"], effect=1.0, n=60)[:, 1] < 0.05).mean() > 0.8
    assert (p_values(5, *NOISE["both"], effect=-1.0, n=60)[:, 0] > 0.95).mean() > 0.8
