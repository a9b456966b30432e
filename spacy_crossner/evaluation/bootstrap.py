"""Whether one pipeline is better than another, or the sentences just suit it: the paired bootstrap test."""

from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
from numpy.typing import NDArray

from .evaluate import score_files
from .mistakes import count_entities

# Samples that are drawn at once.
CHUNK = 200


def f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return micro F1 in [0, 1] from sums of right, found and gold entities, shape (..., 3)."""
    right, found, gold = np.moveaxis(counts, -1, 0)
    return 2 * right / np.maximum(1, found + gold)


def paired_bootstrap(
    first: NDArray[np.int64], second: NDArray[np.int64], *, samples: int = 10_000, seed: int = 0
) -> Dict[str, Any]:
    """Compare two pipelines on the same sentences (Berg-Kirkpatrick et al., 2012).

    first (NDArray): counts of the first pipeline, see `count_entities`.
    second (NDArray): those of the second on the same sentences.
    samples (int): how often as many sentences are drawn, with repetition.
    seed (int): seed of the draws.
    RETURNS (Dict[str, Any]): `first`, `second`, `difference` of F1 (first minus second), its 95% interval as `low` and
        `high`, all in [0, 1], and `p_value`: the share of samples whose difference is that far above the difference
        itself, one-sided; small where the first is better.
    """
    rng = np.random.default_rng(seed)
    both = np.stack([first, second])
    n = len(first)
    whole = f1(both.sum(axis=1))
    difference = float(whole[0] - whole[1])
    found = []
    for start in range(0, samples, CHUNK):
        size = min(CHUNK, samples - start)
        # How often each sentence is in each sample.
        times = rng.multinomial(n, np.full(n, 1 / n), size=size)
        scores = f1(np.einsum("sn,mnk->msk", times, both))
        found.append(scores[0] - scores[1])
    differences = np.concatenate(found)
    low, high = np.quantile(differences, [0.025, 0.975])
    # Under the null hypothesis the differences lie as they do around 0 instead of around the one that was seen.
    beyond = differences - difference >= difference if difference > 0 else np.ones(samples, dtype=bool)
    return {
        "first": float(whole[0]),
        "second": float(whole[1]),
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "p_value": float((beyond.sum() + 1) / (samples + 1)),
        "samples": samples,
        "sentences": n,
    }


def bootstrap_files(
    first: str,
    second: str,
    data: Path,
    *,
    samples: int = 10_000,
    seed: int = 0,
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
) -> Dict[str, Any]:
    """Run two pipelines on a DocBin and compare them.

    first (str): the folder of a pipeline or the name of an installed one.
    second (str): another.
    data (Path): the annotated DocBin.
    samples (int): see `paired_bootstrap`.
    seed (int): see there.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): docs in a batch; a pipeline's own if not given.
    RETURNS (Dict[str, Any]): see `paired_bootstrap`.
    RAISES (CrossnerError): see `evaluate_files`.
    """
    counts = []
    for model in (first, second):
        _, found = score_files(model, data, gpu_id=gpu_id, batch_size=batch_size)
        counts.append(count_entities(found.gold, found.docs))
    return paired_bootstrap(*counts, samples=samples, seed=seed)
