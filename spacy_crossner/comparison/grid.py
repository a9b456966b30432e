"""What the project does for each run of a grid, and whether it can."""

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

# The field of `GridRun` that each option sets.
OPTIONS = {
    "--methods": "method",
    "--domains": "domain",
    "--seeds": "seed",
    "--sentences": "sentences",
    "--vary": "variant",
}


class Plan(NamedTuple):
    """A run and what the project does for it.

    grid_run (GridRun): the run.
    steps (List[Step]): the steps of the project.
    key (str): what the finished run is known by.
    """

    grid_run: GridRun
    steps: List[Step]
    key: str


def plan_grid(project: Path, grid_runs: Sequence[GridRun], variables: Mapping[str, Any]) -> List[Plan]:
    """Return the runs with their steps and keys.

    project (Path): the folder of project.yml.
    grid_runs (Sequence[GridRun]): the runs.
    variables (Mapping[str, Any]): variables of the project for all runs.
    RAISES (CrossnerError): the project has no such variable, or a file is not there that no step makes, or a workflow
        does the same whatever the method, the number of sentences or the variant is, so that its rows would have wrong
        names, or as `grid_run_steps` says.
    """
    known = [name for name in project_variables(project, {}) if name not in GRID_VARIABLES]
    varied = dict.fromkeys(grid_run.variant.partition("=")[0] for grid_run in grid_runs if grid_run.variant)
    for name in (*variables, *varied):
        if name not in known:
            raise CrossnerError(Errors.C062.format(name=name, known=", ".join(known)))
    # A file that many runs begin with is read once.
    digest = lru_cache(maxsize=None)(path_digest)
    plans = []
    for grid_run in grid_runs:
        steps = grid_run_steps(project, grid_run, variables)
        _check_files(project, grid_run, steps)
        plans.append(Plan(grid_run, steps, grid_run_key(project, grid_run.setting, steps, digest)))
    _check_difference(plans)
    # One run of each kind is enough.
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
    """Return the keys that runs have as the project is now.

    project (Path): the folder of project.yml.
    grid_runs (Iterable[GridRun]): runs of a grid or of earlier ones.
    variables (Mapping[str, Any]): variables of the project for all runs.
    RETURNS (Dict[GridRun, str]): without runs that it cannot run, and variants that are the project as it is.
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
    """Raise which option makes no difference to a workflow."""
    by_scripts: Dict[Tuple[str, str], GridRun] = {}
    for grid_run, steps, _ in plans:
        first = by_scripts.setdefault((grid_run.setting, _scripts(steps)), grid_run)
        for option, name in OPTIONS.items():
            values = getattr(first, name), getattr(grid_run, name)
            if values[0] != values[1]:
                value = ",".join(str(value) for value in values if value != "")
                raise CrossnerError(Errors.C063.format(setting=grid_run.setting, option=option, value=value))


def _check_files(project: Path, grid_run: GridRun, steps: Sequence[Step]) -> None:
    """Raise if a step depends on a file that is not there and that no earlier step makes."""
    made: List[str] = []
    for step in steps:
        for dep in step.deps:
            if not is_below(dep, made) and not (project / dep).exists():
                raise CrossnerError(Errors.C066.format(step=step.name, run=grid_run, path=project / dep))
        made += step.outputs


def _scripts(steps: Iterable[Step]) -> str:
    return json.dumps([step.script for step in steps])
