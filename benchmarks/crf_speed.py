"""Compare the time of CRF decoding and exact span probabilities with pytorch-crf on the same scores, in one run.

    python benchmarks/crf_speed.py [--threads 1] [--docs 64] [--tokens 60] [--labels 14] [--output OUT.json]

Scores are random. The functions take turns, so that other load on the machine affects all of them. Ratios are medians
over turns. Viterbi is compared with `decode` of pytorch-crf. Forward-backward with span probabilities is compared with
its `_compute_normalizer`, which is only a forward pass.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Callable, Dict, List, Optional

import torch
import typer

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.crf import BioCRF

# The pytorch-crf function with which each of our functions is compared.
AGAINST = {
    "viterbi": "pytorch-crf decode",
    "viterbi, unconstrained": "pytorch-crf decode",
    "lattice": "pytorch-crf normalizer",
    "lattice + spans": "pytorch-crf normalizer",
    "lattice + candidates": "pytorch-crf normalizer",
}
FLOOR = 0.01


def make_sides(crf: BioCRF, emissions: torch.Tensor, mask: torch.Tensor) -> Dict[str, Callable[[], object]]:
    """Return the functions to time, by name. emissions: (n_docs, n_tokens, n_tags); mask: (n_docs, n_tokens)."""
    spans, _ = crf.lattice(emissions, mask).candidates(FLOOR)
    by_token, rows = emissions.transpose(0, 1), mask.T
    return {
        "pytorch-crf decode": lambda: crf.decode(emissions, mask),
        "viterbi": lambda: crf.best_paths(emissions, mask).tolist(),
        "viterbi, unconstrained": lambda: crf.best_paths(emissions, mask, constrained=False).tolist(),
        "pytorch-crf normalizer": lambda: crf._compute_normalizer(by_token, rows),
        "lattice": lambda: crf.lattice(emissions, mask),
        "lattice + spans": lambda: crf.lattice(emissions, mask).span_probabilities(spans),
        "lattice + candidates": lambda: crf.lattice(emissions, mask).candidates(FLOOR),
    }


@torch.inference_mode()
def measure(crf: BioCRF, emissions: torch.Tensor, mask: torch.Tensor, turns: int) -> Dict[str, Dict[str, float]]:
    """Return the median seconds of each function and, for our functions, the speed-up over pytorch-crf."""
    sides = make_sides(crf, emissions, mask)
    seconds: Dict[str, List[float]] = {name: [] for name in sides}
    # Warm-up: the first turns allocate memory.
    for turn in range(turns + 2):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    result = {name: {"seconds": statistics.median(times)} for name, times in seconds.items()}
    for name, other in AGAINST.items():
        ratios = [theirs / ours for theirs, ours in zip(seconds[other], seconds[name], strict=True)]
        result[name]["times_as_fast"] = statistics.median(ratios)
    return result


def main(
    threads: Annotated[int, typer.Option(help="Threads of PyTorch")] = 1,
    docs: Annotated[int, typer.Option(help="Number of docs in the batch")] = 64,
    tokens: Annotated[int, typer.Option(help="Tokens of the longest doc; the others have at least a sixth of it")] = 60,
    labels: Annotated[int, typer.Option(help="Number of labels; there are 2 * labels + 1 tags")] = 14,
    turns: Annotated[int, typer.Option(help="Timed turns of each function")] = 100,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the milliseconds of each function and our ratios, for docs of random and of equal length."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    tags = label_tags([str(i) for i in range(labels)])
    crf = BioCRF(torch.from_numpy(allowed_starts(tags)), torch.from_numpy(allowed_transitions(tags)))
    emissions = 3.0 * torch.randn(docs, tokens, len(tags))
    lengths = torch.randint(max(tokens // 6, 1), tokens + 1, (docs,))
    lengths[0] = tokens
    masks = {
        "random": torch.arange(tokens) < lengths.unsqueeze(1),
        "full": torch.ones(docs, tokens, dtype=torch.bool),
    }
    found = {name: measure(crf, emissions, mask, turns) for name, mask in masks.items()}
    print(f"{docs} x {tokens} x {len(tags)} (docs x tokens x tags), {threads} threads, {turns} turns")
    print(f"{'lengths':8} {'side':24} {'ms':>8} {'times as fast':>14}")
    for lengths_name, sides in found.items():
        for name, side in sides.items():
            ratio = f"{side['times_as_fast']:.2f}" if "times_as_fast" in side else "-"
            print(f"{lengths_name:8} {name:24} {1e3 * side['seconds']:8.2f} {ratio:>14}")
    if output:
        shape = {"docs": docs, "tokens": tokens, "tags": len(tags), "threads": threads, "turns": turns, "floor": FLOOR}
        output.write_text(json.dumps({**shape, "lengths": found}, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
