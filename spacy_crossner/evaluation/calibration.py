"""Calibration of scores: expected calibration error, reliability table, threshold curve, temperature scaling."""

from typing import Callable, List, NamedTuple, Sequence, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar

from .metrics import PRF

# Scores are clipped to this distance from 0 and 1, so that log-losses are finite.
EPSILON = 1e-6
TEMPERATURES = (0.1, 20.0)


class Judged(NamedTuple):
    """The score of each predicted entity, and whether the entity is right."""

    scores: List[float]
    correct: List[bool]


class Bin(TypedDict):
    """Entities whose scores are in (low, high]. The first bin includes its lower end.

    `confidence` is the mean score and `accuracy` the fraction of right entities. Both are 0 in an empty bin.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


class Calibration(TypedDict):
    """`ece` is the expected calibration error, `bins` the reliability table from which it is computed."""

    ece: float
    bins: List[Bin]


class ThresholdPRF(PRF):
    """Precision, recall and F1 of the entities whose score is `threshold` or more."""

    threshold: float


def calibration(scores: ArrayLike, correct: ArrayLike, n_bins: int = 10) -> Calibration:
    """Compare the scores of predicted entities with their accuracy.

    The expected calibration error is the mean difference of confidence and accuracy over bins of equal width, weighted
    by the number of entities in each bin (Guo et al., 2017, Eq. 3).

    scores (ArrayLike): the score of each predicted entity, in [0, 1].
    correct (ArrayLike): whether each predicted entity is right.
    n_bins (int): the number of bins.
    """
    scores, correct = np.asarray(scores, dtype=float), np.asarray(correct, dtype=float)
    edges = np.linspace(0, 1, n_bins + 1)
    index = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, n_bins - 1)
    bins: List[Bin] = []
    for i in range(n_bins):
        inside = index == i
        count = int(inside.sum())
        bins.append(
            {
                "low": float(edges[i]),
                "high": float(edges[i + 1]),
                "count": count,
                "confidence": float(scores[inside].mean()) if count else 0.0,
                "accuracy": float(correct[inside].mean()) if count else 0.0,
            }
        )
    gaps = sum(row["count"] * abs(row["confidence"] - row["accuracy"]) for row in bins)
    return {"ece": gaps / max(1, len(scores)), "bins": bins}


def threshold_curve(
    scores: ArrayLike, correct: ArrayLike, n_gold: int, thresholds: Sequence[float] = tuple(np.linspace(0, 0.95, 20))
) -> List[ThresholdPRF]:
    """Return precision, recall and F1 of the entities with a score of at least a threshold, for each threshold.

    scores (ArrayLike): the score of each predicted entity.
    correct (ArrayLike): whether each predicted entity is right.
    n_gold (int): the number of gold entities.
    thresholds (Sequence[float]): the thresholds.
    """
    scores, correct = np.asarray(scores, dtype=float), np.asarray(correct, dtype=bool)
    curve: List[ThresholdPRF] = []
    for threshold in thresholds:
        kept = scores >= threshold
        n_correct = int((kept & correct).sum())
        p, r = n_correct / max(1, int(kept.sum())), n_correct / max(1, n_gold)
        # Rounded for the JSON file: 0.15, not 0.15000000000000002.
        curve.append({"threshold": round(float(threshold), 6), "p": p, "r": r, "f": 2 * p * r / max(EPSILON, p + r)})
    return curve


def log_loss(scores: ArrayLike, correct: ArrayLike) -> float:
    """Return the mean log-loss of scores as probabilities that an entity is right; 0 without scores."""
    if not len(np.atleast_1d(scores)):
        return 0.0
    clipped: NDArray[np.float64] = np.clip(np.asarray(scores, dtype=float), EPSILON, 1 - EPSILON)
    return float(-np.where(np.asarray(correct, dtype=bool), np.log(clipped), np.log1p(-clipped)).mean())


def fit_temperature(loss: Callable[[float], float]) -> float:
    """Return the temperature with the lowest loss, between 0.1 and 20.

    loss (Callable[[float], float]): returns the loss at a temperature.
    """
    low, high = np.log(TEMPERATURES)
    options = {"xatol": 0.01}
    minimum = minimize_scalar(lambda x: loss(float(np.exp(x))), bounds=(low, high), method="bounded", options=options)
    return float(np.exp(minimum.x))
