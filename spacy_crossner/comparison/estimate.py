"""How long the runs of a grid will take."""

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Set

from .grid import Plan
from .project import Step, is_below


def estimate_runs(
    plans: Sequence[Plan],
    latest: Mapping[str, float],
    is_there: Callable[[Step], bool],
    mean: Optional[float],
) -> List[Optional[float]]:
    """Return the seconds that each run will take: those of its steps, without what earlier runs will have made.

    plans (Sequence[Plan]): the runs, in the order in which they will be run.
    latest (Mapping[str, float]): seconds that a step of a name took when it was last run.
    is_there (Callable[[Step], bool]): whether the outputs of a step are there as they are to be.
    mean (Optional[float]): seconds of a run, for one with a step that never ran.
    """
    # What each output will have come of: a hash of the commands, and of the origins of their inputs.
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
