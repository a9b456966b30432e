"""The paired bootstrap test: estimate whether two pipelines differ by more than chance."""

from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
from numpy.typing import NDArray

from ..tuning import BOOTSTRAP_CHUNK
from .evaluate import score_files
from .mistakes import count_entities


def f1(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return micro F1 in [0, 1] from sums of correct, predicted and gold entities, shape (..., 3)."""
    n_correct, n_predicted, n_gold = np.moveaxis(counts, -1, 0)
    return 2 * n_correct / np.maximum(1, n_predicted + n_gold)


def paired_bootstrap(
    first: NDArray[np.int64], second: NDArray[np.int64], *, samples: int = 10_000, seed: int = 0
) -> Dict[str, Any]:
    """Compare two pipelines on the same sentences (Berg-Kirkpatrick et al., 2012).

    first (NDArray): counts of the first pipeline, see `count_entities`.
    second (NDArray): counts of the second pipeline on the same sentences.
    samples (int): number of samples. Each has as many sentences as the data, drawn with replacement.
    seed (int): random seed.
    RETURNS (Dict[str, Any]): `first`, `second`, `difference` of F1 (first minus second), its 95% interval as `low` and
        `high`, all in [0, 1], and `p_value`, one-sided: the fraction of samples whose difference is at least
        twice the observed one. It is small if the first pipeline is better.
    """
    rng = np.random.default_rng(seed)
    both = np.stack([first, second])
    n = len(first)
    f1_of_all = f1(both.sum(axis=1))
    difference = float(f1_of_all[0] - f1_of_all[1])
    differences_by_chunk = []
    for start in range(0, samples, BOOTSTRAP_CHUNK):
        size = min(BOOTSTRAP_CHUNK, samples - start)
        # How often each sentence is in each sample.
        multiplicities = rng.multinomial(n, np.full(n, 1 / n), size=size)
        scores = f1(np.einsum("sn,mnk->msk", multiplicities, both))
        differences_by_chunk.append(scores[0] - scores[1])
    differences = np.concatenate(differences_by_chunk)
    low, high = np.quantile(differences, [0.025, 0.975])
    # Under the null hypothesis the differences have the same distribution, centred on 0 and not on the observed one.
    is_as_far = differences - difference >= difference if difference > 0 else np.ones(samples, dtype=bool)
    return {
        "first": float(f1_of_all[0]),
        "second": float(f1_of_all[1]),
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "p_value": float((is_as_far.sum() + 1) / (samples + 1)),
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
    second (str): the second pipeline, given in the same way.
    data (Path): the annotated DocBin.
    samples (int): see `paired_bootstrap`.
    seed (int): see `paired_bootstrap`.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): docs in a batch. Default: the batch size of each pipeline.
    RETURNS (Dict[str, Any]): see `paired_bootstrap`.
    RAISES (CrossnerError): see `evaluate_files`.
    """
    counts = []
    for model in (first, second):
        _, predictions = score_files(model, data, gpu_id=gpu_id, batch_size=batch_size)
        counts.append(count_entities(predictions.gold, predictions.docs))
    return paired_bootstrap(*counts, samples=samples, seed=seed)
