"""What project.yml says: its variables, and the steps of a cell with these filled in."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Tuple, cast

import srsly
from weasel.schemas import ProjectConfigSchema, validate
from weasel.util import split_command
from weasel.util.config import load_project_config

from ..data.files import reason
from ..errors import CrossnerError, Errors
from .cells import Cell

PROJECT_FILE = "project.yml"
# Steps that make no score.
NOT_SCORED = ("package", "install")
METRICS = "metrics/"
# Cells of a grid whose project is kept as it was read.
KEPT = 4096


@dataclass(frozen=True)
class Step:
    """A command of the project with its variables filled in.

    name (str): its name.
    script (List[str]): what it runs.
    deps (List[str]): files and folders that it depends on.
    outputs (List[str]): files and folders that it makes.
    """

    name: str
    script: List[str]
    deps: List[str]
    outputs: List[str]

    @property
    def scores(self) -> List[str]:
        """The files with scores that it writes."""
        return [path for path in self.outputs if path.startswith(METRICS)]


def project_variables(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables of a project, those that refer to others filled in.

    project (Path): the folder of project.yml.
    variables (Mapping[str, Any]): some of them with other values, as `--vars` gives them.
    RAISES (CrossnerError): as `read_project` says.
    """
    # It has them filled into other values, but not in their own places.
    return {**(read_project(project, variables).get("vars") or {}), **variables}


def cell_steps(project: Path, cell: Cell, variables: Mapping[str, Any]) -> List[Step]:
    """Return what the project does for a cell.

    project (Path): the folder of project.yml.
    cell (Cell): the cell.
    variables (Mapping[str, Any]): variables of the project, as `--vars` gives them, for all cells.
    RAISES (CrossnerError): there is no such workflow, or it scores nothing, or as `read_project` says.
    """
    config = read_project(project, {**variables, **cell.variables})
    workflows = config.get("workflows", {})
    if cell.setting not in workflows:
        raise CrossnerError(Errors.C054.format(setting=cell.setting, known=", ".join(workflows)))
    commands = {command["name"]: command for command in config["commands"]}
    steps = []
    for name in workflows[cell.setting]:
        if name not in NOT_SCORED:
            # A variable that is empty leaves a dependency that is none.
            script, deps, outputs = (
                [line for line in commands[name].get(part) or [] if line.strip()]
                for part in ("script", "deps", "outputs")
            )
            steps.append(Step(name, script, deps, outputs))
    if not any(step.scores for step in steps):
        raise CrossnerError(Errors.C055.format(setting=cell.setting, folder=METRICS))
    return steps


def read_project(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what project.yml has, its variables filled in; not to be changed.

    project (Path): its folder.
    variables (Mapping[str, Any]): variables with other values.
    RAISES (CrossnerError): with a value the file or a command of it cannot be read.
    """
    path = project / PROJECT_FILE
    check_project(project)
    changed = path.stat().st_mtime_ns
    try:
        return _read_project(project.absolute(), changed, tuple(sorted(variables.items())))
    except (TypeError, ValueError) as error:
        values = ", ".join(f"{name}={value}" for name, value in variables.items())
        raise CrossnerError(Errors.C067.format(path=path, values=values, problem=error)) from error


def check_project(project: Path) -> None:
    """Raise if there is no project.yml that has the form of one.

    project (Path): its folder.
    RAISES (CrossnerError): it is not there, no YAML, or something else.
    """
    path = project / PROJECT_FILE
    try:
        found = srsly.read_yaml(path)
    except OSError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=reason(error))) from error
    except ValueError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=" ".join(str(error).split()))) from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise CrossnerError(Errors.C073.format(path=path, found=f"{str(found)[:30]!r}, no mapping of names"))
    problems = validate(ProjectConfigSchema, found)
    if problems:
        raise CrossnerError(Errors.C073.format(path=path, found="; ".join(problems)))


def is_within(path: str, others: Iterable[str]) -> bool:
    """Return whether a path is one of others or lies in one."""
    own = Path(path)
    return any(own == Path(other) or Path(other) in own.parents for other in others)


def is_below(path: str, others: Iterable[str]) -> bool:
    """Return whether a path is one of others, lies in one, or holds one."""
    others = list(others)
    return is_within(path, others) or any(Path(path) in Path(other).parents for other in others)


@lru_cache(maxsize=KEPT)
def _read_project(project: Path, changed: int, variables: Tuple[Tuple[str, Any], ...]) -> Dict[str, Any]:
    found = load_project_config(project, overrides={f"vars.{name}": value for name, value in variables})
    if not isinstance(found.get("commands"), list):
        # What it is where a value has broken the file.
        raise ValueError("its commands are no list")
    for command in found["commands"]:
        for line in command.get("script") or []:
            split_command(line)
    return cast(Dict[str, Any], found)
