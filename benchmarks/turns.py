"""Time several sides in turns, so that other load on the machine affects all of them."""

import statistics
import time
from typing import Callable, Dict, List, Mapping

import torch

Run = Callable[[], object]


def timed(run: Run) -> float:
    """Return the seconds that a call takes, work on a GPU included."""
    wait_for_gpu()
    start = time.perf_counter()
    run()
    wait_for_gpu()
    return time.perf_counter() - start


def wait_for_gpu() -> None:
    """Wait until a GPU in use has finished its work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def take_turns(sides: Mapping[str, Run], rounds: int) -> Dict[str, List[float]]:
    """Run all sides once in each round, after a warm-up round.

    RETURNS (Dict[str, List[float]]): the seconds of each side in each round.
    """
    seconds: Dict[str, List[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, side in sides.items():
            took = timed(side)
            if turn:
                seconds[name].append(took)
    return seconds


def speed_ratio(seconds: Mapping[str, List[float]], name: str, against: str) -> float:
    """Return how many times as fast a side is as another one: the median over rounds."""
    return statistics.median(b / a for a, b in zip(seconds[name], seconds[against], strict=True))
