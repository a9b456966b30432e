"""Tests of claims from figures by seed, and the correction for the number of claims."""

import math
import statistics
from typing import Dict, Hashable, Mapping, NamedTuple, Sequence, TypeVar

from scipy.stats import t as student_t

Claim = TypeVar("Claim", bound=Hashable)


class TTest(NamedTuple):
    """The result of a t test.

    t (float): the statistic: mean difference over its standard error.
    freedom (int): degrees of freedom.
    p_two_sided (float): p-value for the null hypothesis of no difference.
    """

    t: float
    freedom: int
    p_two_sided: float


def paired_t_test(differences: Sequence[float]) -> TTest:
    """Return Student's t test of paired differences, such as the gains in F1 by seed (Student, 1908).

    It treats the test sentences as given, so that it is too optimistic about other sentences.

    differences (Sequence[float]): the differences, at least two.
    """
    n = len(differences)
    mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(n)
    # Equal differences have no error: nothing speaks against them, unless they are 0.
    t = mean / error if error else math.copysign(math.inf, mean) if mean else 0.0
    return TTest(t, n - 1, float(2 * student_t.sf(abs(t), n - 1)))


def holm(p_values: Mapping[Claim, float]) -> Dict[Claim, float]:
    """Return p-values corrected for their number (Holm, 1979).

    Where claims with a corrected value below 0.05 are accepted, the probability of one or more wrong claims among all
    of them is at most 5%, whether or not the tests depend on each other.

    p_values (Mapping[Claim, float]): the p-value of each claim.
    """
    corrected: Dict[Claim, float] = {}
    largest = 0.0
    for rank, claim in enumerate(sorted(p_values, key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[claim]))
        corrected[claim] = largest
    return {claim: corrected[claim] for claim in p_values}
