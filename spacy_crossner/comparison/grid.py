"""What the project does for the cells of a grid, and whether it can."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from ..errors import CrossnerError, Errors
from ..fingerprints import path_digest
from .cells import OF_CELL, Cell
from .keys import cell_key
from .project import Step, cell_steps, is_below, project_variables

# What of a cell each option says.
OPTIONS = {
    "--methods": "method",
    "--domains": "domain",
    "--seeds": "seed",
    "--sentences": "sentences",
    "--vary": "variant",
}


class Plan(NamedTuple):
    """A cell and what its run will be.

    cell (Cell): the cell.
    steps (List[Step]): what the project does for it.
    key (str): what its run is known by.
    """

    cell: Cell
    steps: List[Step]
    key: str


def plan_grid(project: Path, cells: Sequence[Cell], variables: Mapping[str, Any]) -> List[Plan]:
    """Return the cells with their steps and keys.

    project (Path): the folder of project.yml.
    cells (Sequence[Cell]): the cells.
    variables (Mapping[str, Any]): variables of the project for all cells.
    RAISES (CrossnerError): the project has no such variable, or as `cell_steps` says, or a file is not there that no
        step makes, or a workflow does the same whatever the method, the number of sentences or the variant is: its
        rows would be said to be what they are not.
    """
    known = [name for name in project_variables(project, {}) if name not in OF_CELL]
    varied = dict.fromkeys(cell.variant.partition("=")[0] for cell in cells if cell.variant)
    for name in (*variables, *varied):
        if name not in known:
            raise CrossnerError(Errors.C062.format(name=name, known=", ".join(known)))
    # A file that many cells begin with is read once.
    digest = lru_cache(maxsize=None)(path_digest)
    plans = []
    for cell in cells:
        steps = cell_steps(project, cell, variables)
        _check_files(project, cell, steps)
        plans.append(Plan(cell, steps, cell_key(project, cell.setting, steps, digest)))
    _check_difference(plans)
    # One cell of each kind is enough.
    kinds = {(cell.setting, bool(cell.sentences), cell.variant): (cell, steps) for cell, steps, _ in reversed(plans)}
    for cell, steps in kinds.values():
        for option, value, other in (
            ("--sentences", cell.sentences, replace(cell, sentences=0)),
            ("--vary", cell.variant, replace(cell, variant="")),
        ):
            if value and _scripts(steps) == _scripts(cell_steps(project, other, variables)):
                raise CrossnerError(Errors.C063.format(setting=cell.setting, option=option, value=value))
    return plans


def current_cells(project: Path, cells: Iterable[Cell], variables: Mapping[str, Any]) -> Dict[Cell, str]:
    """Return the keys that cells have as the project is now.

    project (Path): the folder of project.yml.
    cells (Iterable[Cell]): cells of a grid or of earlier ones.
    variables (Mapping[str, Any]): variables of the project for all cells.
    RETURNS (Dict[Cell, str]): without cells that it cannot run, and variants that are the project as it is.
    """
    found = {}
    digest = lru_cache(maxsize=None)(path_digest)
    for cell in dict.fromkeys(cells):
        try:
            steps = cell_steps(project, cell, variables)
            as_it_is = cell_steps(project, replace(cell, variant=""), variables)
        except CrossnerError:
            continue
        if not cell.variant or _scripts(steps) != _scripts(as_it_is):
            found[cell] = cell_key(project, cell.setting, steps, digest)
    return found


def _check_difference(plans: Iterable[Plan]) -> None:
    """Raise which option makes no difference to a workflow."""
    found: Dict[Tuple[str, str], Cell] = {}
    for cell, steps, _ in plans:
        other = found.setdefault((cell.setting, _scripts(steps)), cell)
        for option, name in OPTIONS.items():
            own, its = getattr(cell, name), getattr(other, name)
            if own != its:
                value = ",".join(str(part) for part in (its, own) if part != "")
                raise CrossnerError(Errors.C063.format(setting=cell.setting, option=option, value=value))


def _check_files(project: Path, cell: Cell, steps: Sequence[Step]) -> None:
    made: List[str] = []
    for step in steps:
        for dep in step.deps:
            if not is_below(dep, made) and not (project / dep).exists():
                raise CrossnerError(Errors.C066.format(step=step.name, cell=cell, path=project / dep))
        made += step.outputs


def _scripts(steps: Iterable[Step]) -> str:
    return json.dumps([step.script for step in steps])
