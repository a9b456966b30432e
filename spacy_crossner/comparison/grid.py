"""Plans of a grid: the project steps of each run, and checks that they can be executed."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from ..errors import CrossnerError, Errors
from ..fingerprints import path_digest
from .grid_run import GRID_VARIABLES, GridRun
from .keys import grid_run_key
from .project import Step, grid_run_steps, is_below, project_variables

# Each grid option and the field of `GridRun` that it sets.
OPTIONS = {
    "--methods": "method",
    "--domains": "domain",
    "--seeds": "seed",
    "--sentences": "sentences",
    "--vary": "variant",
}


class Plan(NamedTuple):
    """A run of the grid and its project steps.

    grid_run (GridRun): the run.
    steps (List[Step]): the project steps of the run.
    key (str): cache key of the finished run.
    """

    grid_run: GridRun
    steps: List[Step]
    key: str


def plan_grid(project: Path, grid_runs: Sequence[GridRun], variables: Mapping[str, Any]) -> List[Plan]:
    """Return the runs with their steps and cache keys.

    project (Path): the folder with project.yml.
    grid_runs (Sequence[GridRun]): the runs.
    variables (Mapping[str, Any]): project variables for all runs.
    RAISES (CrossnerError): the project has no such variable; an input file is missing and no step makes it; a workflow
        ignores the method, the number of sentences or the variant, so that its table rows would have wrong names; or
        see `grid_run_steps`.
    """
    known = [name for name in project_variables(project, {}) if name not in GRID_VARIABLES]
    varied = dict.fromkeys(grid_run.variant.partition("=")[0] for grid_run in grid_runs if grid_run.variant)
    for name in (*variables, *varied):
        if name not in known:
            raise CrossnerError(Errors.C062.format(name=name, known=", ".join(known)))
    # Cache the digests: many runs share the same input files.
    digest = lru_cache(maxsize=None)(path_digest)
    plans = []
    for grid_run in grid_runs:
        steps = grid_run_steps(project, grid_run, variables)
        _check_files(project, grid_run, steps)
        plans.append(Plan(grid_run, steps, grid_run_key(project, grid_run.setting, steps, digest)))
    _check_difference(plans)
    # Check one run of each kind.
    kinds = {
        (plan.grid_run.setting, bool(plan.grid_run.sentences), plan.grid_run.variant): plan for plan in reversed(plans)
    }
    for grid_run, steps, _ in kinds.values():
        for option, value, other in (
            ("--sentences", grid_run.sentences, replace(grid_run, sentences=0)),
            ("--vary", grid_run.variant, replace(grid_run, variant="")),
        ):
            if value and _scripts(steps) == _scripts(grid_run_steps(project, other, variables)):
                raise CrossnerError(Errors.C063.format(setting=grid_run.setting, option=option, value=value))
    return plans


def current_keys(project: Path, grid_runs: Iterable[GridRun], variables: Mapping[str, Any]) -> Dict[GridRun, str]:
    """Return the cache keys of runs under the current state of the project.

    project (Path): the folder with project.yml.
    grid_runs (Iterable[GridRun]): runs of this grid or of earlier grids.
    variables (Mapping[str, Any]): project variables for all runs.
    RETURNS (Dict[GridRun, str]): the keys, without runs that the project cannot execute and without variants that do
        not differ from the project's own values.
    """
    keys = {}
    digest = lru_cache(maxsize=None)(path_digest)
    for grid_run in dict.fromkeys(grid_runs):
        try:
            steps = grid_run_steps(project, grid_run, variables)
            as_it_is = grid_run_steps(project, replace(grid_run, variant=""), variables)
        except CrossnerError:
            continue
        if not grid_run.variant or _scripts(steps) != _scripts(as_it_is):
            keys[grid_run] = grid_run_key(project, grid_run.setting, steps, digest)
    return keys


def _check_difference(plans: Iterable[Plan]) -> None:
    """Raise an error if a workflow ignores an option of the grid."""
    by_scripts: Dict[Tuple[str, str], GridRun] = {}
    for grid_run, steps, _ in plans:
        first = by_scripts.setdefault((grid_run.setting, _scripts(steps)), grid_run)
        for option, name in OPTIONS.items():
            values = getattr(first, name), getattr(grid_run, name)
            if values[0] != values[1]:
                value = ",".join(str(value) for value in values if value != "")
                raise CrossnerError(Errors.C063.format(setting=grid_run.setting, option=option, value=value))


def _check_files(project: Path, grid_run: GridRun, steps: Sequence[Step]) -> None:
    """Raise an error if a step depends on a missing file that no earlier step makes."""
    made: List[str] = []
    for step in steps:
        for dep in step.deps:
            if not is_below(dep, made) and not (project / dep).exists():
                raise CrossnerError(Errors.C066.format(step=step.name, run=grid_run, path=project / dep))
        made += step.outputs


def _scripts(steps: Iterable[Step]) -> str:
    return json.dumps([step.script for step in steps])
