"""Calibration figures against slow definitions, and temperature scaling on scores of a known temperature."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.evaluation.calibration import calibration, fit_temperature, log_loss, threshold_curve

JUDGED = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30)


@given(JUDGED, st.integers(1, 7))
def test_calibration_is_the_mean_gap_of_the_bins(judged, n_bins):
    scores, correct = [score for score, _ in judged], [right for _, right in judged]
    found = calibration(scores, correct, n_bins)
    gaps = 0.0
    for i, row in enumerate(found["bins"]):
        inside = [(s, c) for s, c in judged if row["low"] < s <= row["high"] or (i == 0 and s == 0)]
        assert row["count"] == len(inside)
        if inside:
            gaps += abs(sum(s for s, _ in inside) - sum(c for _, c in inside))
    assert found["ece"] == pytest.approx(gaps / max(1, len(judged)))
    assert sum(row["count"] for row in found["bins"]) == len(judged)


@given(JUDGED, st.integers(0, 10))
def test_threshold_curve_is_what_dropping_gives(judged, missed):
    scores, correct = [score for score, _ in judged], [right for _, right in judged]
    n_gold = sum(correct) + missed
    for row in threshold_curve(scores, correct, n_gold):
        kept = [right for score, right in judged if score >= row["threshold"]]
        assert row["p"] == (sum(kept) / len(kept) if kept else 0)
        assert row["r"] == (sum(kept) / n_gold if n_gold else 0)
        assert row["f"] == pytest.approx(2 * sum(kept) / (len(kept) + n_gold) if kept and n_gold else 0)


def test_log_loss():
    assert log_loss([0.5, 0.25], [True, False]) == pytest.approx(-(np.log(0.5) + np.log(0.75)) / 2)
    assert np.isfinite(log_loss([0.0, 1.0], [True, False]))


def test_the_temperature_that_made_scores_too_sure_is_found():
    random = np.random.default_rng(0)
    logits = random.normal(1.0, 1.5, size=20_000)
    correct = random.random(20_000) < 1 / (1 + np.exp(-logits))
    sure = 3.0 * logits
    found = fit_temperature(lambda temperature: log_loss(1 / (1 + np.exp(-sure / temperature)), correct))
    assert found == pytest.approx(3.0, rel=0.05)
