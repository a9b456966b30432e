"""Compare the time of CRF decoding and exact span probabilities with pytorch-crf on the same scores, in one run.

    python benchmarks/crf_speed.py [--threads 1] [--docs 64] [--tokens 60] [--labels 14] [--output OUT.json]

Scores are random. The functions take turns, so that other load on the machine affects all of them. Ratios are medians
over turns. Viterbi is compared with `decode` of pytorch-crf. Forward-backward with span probabilities is compared with
its `_compute_normalizer`, which is only a forward pass.

`paths + spans` gives the best paths and the probabilities of their entities at once, as a component asks for them;
`viterbi, lattice, spans` gives the same by separate calls. The scans are for a GPU, so they are not timed. For each
side the operations of PyTorch are counted that compute something, views left out: on a GPU each is a launch or more.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated, Callable, Dict, List, Optional

import torch
import typer
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_crossner.annotations.tags import allowed_starts, allowed_transitions, label_tags
from spacy_crossner.core.crf import BioCRF
from spacy_crossner.core.path_spans import spans_of_paths

# The pytorch-crf function with which each of our functions is compared.
AGAINST = {
    "viterbi": "pytorch-crf decode",
    "viterbi, unconstrained": "pytorch-crf decode",
    "lattice": "pytorch-crf normalizer",
    "lattice + spans": "pytorch-crf normalizer",
    "lattice + candidates": "pytorch-crf normalizer",
    "viterbi, lattice, spans": "pytorch-crf decode",
    "paths + spans": "pytorch-crf decode",
}
FLOOR = 0.01


def make_sides(crf: BioCRF, emissions: torch.Tensor, mask: torch.Tensor) -> Dict[str, Callable[[], object]]:
    """Return the functions to time, by name. emissions: (n_docs, n_tokens, n_tags); mask: (n_docs, n_tokens)."""
    spans, _ = crf.lattice(emissions, mask).candidates(FLOOR)
    path_spans = spans_of_paths(crf.best_paths(emissions, mask), mask)
    by_token, rows = emissions.transpose(0, 1), mask.T
    return {
        "pytorch-crf decode": lambda: crf.decode(emissions, mask),
        "viterbi": lambda: crf.best_paths(emissions, mask).tolist(),
        "viterbi, unconstrained": lambda: crf.best_paths(emissions, mask, constrained=False).tolist(),
        "pytorch-crf normalizer": lambda: crf._compute_normalizer(by_token, rows),
        "lattice": lambda: crf.lattice(emissions, mask),
        "lattice + spans": lambda: crf.lattice(emissions, mask).span_probabilities(spans),
        "lattice + candidates": lambda: crf.lattice(emissions, mask).candidates(FLOOR),
        "viterbi, lattice, spans": lambda: (
            crf.best_paths(emissions, mask),
            crf.lattice(emissions, mask).span_probabilities(path_spans),
        ),
        "paths + spans": lambda: crf.best_spans(emissions, mask),
    }


class CountOperations(TorchDispatchMode):
    """Counts the operations that compute something: a view shares the memory of an argument."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        """Count an operation, and run it."""
        self.count += not func.is_view and "empty" not in func.name()
        return func(*args, **(kwargs or {}))


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
    # Their number depends on the longest doc, which is the first, and not on the number of docs.
    some = emissions[:2], mask[:2]
    counted = make_sides(crf, *some)
    counted["scan: viterbi"] = lambda: crf.scan_paths(*some)
    counted["scan: paths + spans"] = lambda: crf.scan_spans(*some)
    for name, side in counted.items():
        with CountOperations() as operations:
            side()
        result.setdefault(name, {})["operations"] = operations.count
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
    print(f"{'lengths':8} {'side':24} {'ms':>8} {'us/token':>9} {'operations':>11} {'times as fast':>14}")
    for lengths_name, sides in found.items():
        for name, side in sides.items():
            ratio = f"{side['times_as_fast']:.2f}" if "times_as_fast" in side else "-"
            seconds = side.get("seconds", float("nan"))
            per_token = 1e6 * seconds / int(masks[lengths_name].sum())
            print(
                f"{lengths_name:8} {name:24} {1e3 * seconds:8.2f} {per_token:9.3f} {side['operations']:11} {ratio:>14}"
            )
    if output:
        shape = {"docs": docs, "tokens": tokens, "tags": len(tags), "threads": threads, "turns": turns, "floor": FLOOR}
        output.write_text(json.dumps({**shape, "lengths": found}, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
