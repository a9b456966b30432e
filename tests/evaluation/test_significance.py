import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from spacy_crossner.evaluation.significance import holm, paired_t_test

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@pytest.mark.parametrize("differences", [[1.0, 2.0, 4.0], [-0.1, 0.3], [-3.0, -2.9, -3.1, -3.0]])
def test_the_t_test_is_that_of_a_known_library(differences):
    found, expected = paired_t_test(differences), stats.ttest_1samp(differences, 0)
    assert found.t == pytest.approx(expected.statistic)
    assert found.p_two_sided == pytest.approx(expected.pvalue)
    assert found.freedom == expected.df == len(differences) - 1


def test_equal_differences_have_no_error():
    assert paired_t_test([2.0, 2.0]) == (math.inf, 1, 0.0)
    assert paired_t_test([-2.0, -2.0]) == (-math.inf, 1, 0.0)
    assert paired_t_test([0.0, 0.0, 0.0]) == (0.0, 2, 1.0)


def closed_holm(p_values):
    """Correct by closed testing: the largest Bonferroni p-value of all sets of claims that hold a claim."""
    claims = range(len(p_values))
    sets = [chosen for size in range(1, len(claims) + 1) for chosen in combinations(claims, size)]
    bonferroni = {chosen: min(1.0, len(chosen) * min(p_values[i] for i in chosen)) for chosen in sets}
    return [max(p for chosen, p in bonferroni.items() if claim in chosen) for claim in claims]


@given(P_VALUES)
def test_holm_is_closed_testing_with_bonferroni(p_values):
    found = holm(dict(enumerate(p_values)))
    assert list(found) == list(range(len(p_values)))
    assert list(found.values()) == pytest.approx(closed_holm(p_values))


def test_holm_by_hand():
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})
    assert holm({}) == {}


def test_claims_that_are_all_wrong_are_rarely_accepted():
    rng = np.random.default_rng(0)
    accepted = [min(holm(dict(enumerate(rng.uniform(size=20)))).values()) < 0.05 for _ in range(2000)]
    assert 0.035 < np.mean(accepted) < 0.065
