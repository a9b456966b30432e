"""The paired bootstrap test: estimate whether two pipelines, or two methods, differ by more than chance."""

import math
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

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
    """Compare two methods on the same sentences, over the sentences and over the seeds of training.

    A sample draws sentences with replacement, the same ones for all seeds and both methods (Berg-Kirkpatrick et al.,
    2012). With several seeds, the second level of a hierarchical bootstrap adds the deviation of the mean over seeds:
    a draw from Student's t with one degree of freedom less than seeds, times the standard error of the differences by
    seed. To resample a handful of seeds instead would make the deviation too small: with three seeds, every sixth test
    at 5% would be wrong. The level of seeds also holds noise of sentences, so that the test is conservative where
    seeds agree.

    first (NDArray): counts of the first method by seed, see `count_entities`, shape (n_seeds, n_sentences, 3); or of
        one pipeline, shape (n_sentences, 3). One pipeline tells nothing about other seeds.
    second (NDArray): counts of the second method with the same seeds, in the same order.
    samples (int): number of samples.
    seed (int): random seed of the samples.
    RETURNS (Dict[str, Any]): mean F1 over seeds as `first` and `second`, and the mean `difference` (first minus second)
        with its 95% interval as `low` and `high`, all in [0, 1]; `by_seed`, the difference of each seed. `p_value`,
        one-sided, for the null hypothesis that the first is not better: the fraction of samples whose deviation from
        the observed difference is at least the observed difference. `p_two_sided`, for the null hypothesis of no
        difference: the same with absolute values. The numbers of `samples`, `sentences` and `seeds`.
    """
    rng = np.random.default_rng(seed)
    both = np.stack([first, second])
    both = both.reshape(2, -1, *both.shape[-2:])
    n_seeds, n_sentences = both.shape[1:3]
    f1_by_seed = f1(both.sum(axis=2))
    by_seed = f1_by_seed[0] - f1_by_seed[1]
    difference = float(by_seed.mean())
    chunks = []
    for start in range(0, samples, BOOTSTRAP_CHUNK):
        size = min(BOOTSTRAP_CHUNK, samples - start)
        # How often each sentence is in each sample.
        multiplicities = rng.multinomial(n_sentences, np.full(n_sentences, 1 / n_sentences), size=size)
        scores = f1(np.einsum("mn,asnk->asmk", multiplicities, both, optimize=True))
        chunks.append((scores[0] - scores[1]).mean(axis=0))
    # Under the null hypothesis differences deviate from 0 as they do here from the observed one.
    deviations = np.concatenate(chunks) - difference
    if n_seeds > 1:
        error_of_seeds = by_seed.std(ddof=1) / math.sqrt(n_seeds)
        deviations = deviations + error_of_seeds * rng.standard_t(n_seeds - 1, size=samples)
    low, high = difference + np.quantile(deviations, [0.025, 0.975])
    # Count a deviation as large as the difference in spite of rounding, as between equal pipelines.
    bound = 1e-12
    return {
        "first": float(f1_by_seed[0].mean()),
        "second": float(f1_by_seed[1].mean()),
        "difference": difference,
        "by_seed": by_seed.tolist(),
        "low": float(low),
        "high": float(high),
        "p_value": _fraction(deviations >= difference - bound),
        "p_two_sided": _fraction(abs(deviations) >= abs(difference) - bound),
        "samples": samples,
        "sentences": n_sentences,
        "seeds": n_seeds,
    }


def bootstrap_files(
    pairs: Sequence[Tuple[str, str]],
    data: Path,
    *,
    samples: int = 10_000,
    seed: int = 0,
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
) -> Dict[str, Any]:
    """Run pipelines of two methods on a DocBin and compare the methods.

    pairs (Sequence[Tuple[str, str]]): for each seed of training, a pipeline of the first and one of the second method:
        folders or names of installed pipelines.
    data (Path): the annotated DocBin.
    samples (int): see `paired_bootstrap`.
    seed (int): see `paired_bootstrap`.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): docs in a batch. Default: the batch size of each pipeline.
    RETURNS (Dict[str, Any]): see `paired_bootstrap`.
    RAISES (CrossnerError): see `evaluate_files`.
    """
    counts: List[List[NDArray[np.int64]]] = []
    for pair in pairs:
        counts.append([])
        for model in pair:
            _, predictions = score_files(model, data, gpu_id=gpu_id, batch_size=batch_size)
            counts[-1].append(count_entities(predictions.gold, predictions.docs))
    first, second = (np.stack([pair[side] for pair in counts]) for side in (0, 1))
    return paired_bootstrap(first, second, samples=samples, seed=seed)


def _fraction(hits: NDArray[np.bool_]) -> float:
    """Return the fraction of samples that are hits. The observed data count as one more sample, so that it is not 0."""
    return float((hits.sum() + 1) / (len(hits) + 1))
