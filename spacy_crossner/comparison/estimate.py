"""Estimates of the running time of a grid."""

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Set

from .grid import Plan
from .project import Step, is_below


def estimate_runs(
    plans: Sequence[Plan],
    latest: Mapping[str, float],
    is_there: Callable[[Step], bool],
    mean: Optional[float],
) -> List[Optional[float]]:
    """Estimate the seconds of each run. Steps whose outputs an earlier run already makes count as 0.

    plans (Sequence[Plan]): the runs, in the order of execution.
    latest (Mapping[str, float]): seconds of the latest execution of each step, by step name.
    is_there (Callable[[Step], bool]): returns whether the outputs of a step exist and are up to date.
    mean (Optional[float]): mean seconds of a run; the estimate for runs with a step that was never executed.
    """
    # For each output, a hash of its commands and of the origins of their inputs.
    origins: Dict[str, int] = {}
    new: Set[str] = set()
    estimates = []
    for plan in plans:
        seconds: List[Optional[float]] = []
        for step in plan.steps:
            inputs = [origins[path] for path in sorted(origins) if is_below(path, step.deps)]
            origin = hash((*step.script, *inputs))
            if step.outputs and all(path in origins for path in step.outputs):
                is_made = all(origins[path] == origin for path in step.outputs)
            else:
                is_made = not any(is_below(dep, new) for dep in step.deps) and is_there(step)
            origins.update(dict.fromkeys(step.outputs, origin))
            if not is_made:
                new.update(step.outputs)
                seconds.append(latest.get(step.name))
        estimates.append(mean if None in seconds else sum(known or 0.0 for known in seconds))
    return estimates
