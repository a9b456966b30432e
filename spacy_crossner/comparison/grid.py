"""The cells of a grid, and what the project does for each."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Set, Tuple

from weasel.util.config import load_project_config

from .. import __version__
from ..errors import CrossnerError, Errors
from ..training.fingerprint import file_digest

# Steps that make no score.
NOT_SCORED = ("package", "install")
METRICS = "metrics/"
# Variables of the project that a cell sets.
OF_CELL = ("method", "domain", "seed", "target_sentences")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    setting (str): a workflow of project.yml.
    method (str): a config.
    domain (str): the target.
    seed (int): seed of the target stage.
    sentences (int): labelled sentences of the target; 0 for all.
    """

    setting: str
    method: str
    domain: str
    seed: int
    sentences: int = 0

    def __str__(self) -> str:
        """Return what a line of the progress calls it."""
        few = f", {self.sentences} sentences" if self.sentences else ""
        return f"{self.setting} {self.method} on {self.domain}{few}, seed {self.seed}"


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


class Plan(NamedTuple):
    """A cell and what its run will be.

    cell (Cell): the cell.
    steps (List[Step]): what the project does for it.
    key (str): what its run is known by.
    """

    cell: Cell
    steps: List[Step]
    key: str


def make_grid(
    settings: Sequence[str],
    methods: Sequence[str],
    domains: Sequence[str],
    seeds: Sequence[int],
    sentences: Sequence[int] = (0,),
) -> List[Cell]:
    """Return all cells; those that share stages come one after the other, seeds last, so that a budget cuts seeds."""
    cells = (
        Cell(setting, method, domain, seed, size)
        for seed in seeds
        for setting in settings
        for method in methods
        for domain in domains
        for size in sentences
    )
    return list(dict.fromkeys(cells))


def plan_grid(project: Path, cells: Sequence[Cell], variables: Mapping[str, Any]) -> List[Plan]:
    """Return the cells with their steps and keys.

    project (Path): the folder of project.yml.
    cells (Sequence[Cell]): the cells.
    variables (Mapping[str, Any]): variables of the project for all cells.
    RAISES (CrossnerError): the project has no such variable, or as `cell_steps` says, or a workflow does the same
        whatever the method or the number of sentences is: its rows would be said to be what they are not.
    """
    known = [name for name in project_variables(project) if name not in OF_CELL]
    for name in variables:
        if name not in known:
            raise CrossnerError(Errors.C062.format(name=name, known=", ".join(known)))
    plans = []
    for cell in cells:
        steps = cell_steps(project, cell, variables)
        plans.append(Plan(cell, steps, cell_key(project, cell, steps)))
    _check_methods(plans)
    few = {plan.cell.setting: plan for plan in plans if plan.cell.sentences}
    for setting, plan in few.items():
        if _scripts(plan.steps) == _scripts(cell_steps(project, replace(plan.cell, sentences=0), variables)):
            raise CrossnerError(Errors.C063.format(setting=setting, option="--sentences", value=plan.cell.sentences))
    return plans


def current_keys(project: Path, cells: Iterable[Cell], variables: Mapping[str, Any]) -> Set[str]:
    """Return the keys that cells have as the project is now; a cell that it has no workflow for has none."""
    keys = set()
    for cell in cells:
        try:
            keys.add(cell_key(project, cell, cell_steps(project, cell, variables)))
        except CrossnerError:
            continue
    return keys


def project_variables(project: Path) -> Dict[str, Any]:
    """Return the variables of a project as project.yml has them."""
    return dict(load_project_config(project).get("vars") or {})


def cell_steps(project: Path, cell: Cell, variables: Mapping[str, Any]) -> List[Step]:
    """Return what the project does for a cell.

    project (Path): the folder of project.yml.
    cell (Cell): the cell.
    variables (Mapping[str, Any]): variables of the project, as `--vars` gives them, for all cells.
    RAISES (CrossnerError): there is no such workflow, or it scores nothing.
    """
    own = {"method": cell.method, "domain": cell.domain, "seed": cell.seed, "target_sentences": cell.sentences}
    overrides = {f"vars.{name}": value for name, value in {**variables, **own}.items()}
    config = load_project_config(project, overrides=overrides)
    workflows = config.get("workflows", {})
    if cell.setting not in workflows:
        raise CrossnerError(Errors.C054.format(setting=cell.setting, known=", ".join(workflows)))
    commands = {command["name"]: command for command in config["commands"]}
    steps = [
        Step(name, *(list(commands[name].get(part) or []) for part in ("script", "deps", "outputs")))
        for name in workflows[cell.setting]
        if name not in NOT_SCORED
    ]
    if not any(step.scores for step in steps):
        raise CrossnerError(Errors.C055.format(setting=cell.setting, folder=METRICS))
    return steps


def cell_key(project: Path, cell: Cell, steps: Iterable[Step]) -> str:
    """Return what a finished run is known by: the cell, its commands, the files that it begins with, the version.

    project (Path): the folder of project.yml.
    cell (Cell): the cell.
    steps (Iterable[Step]): what the project does for it.
    """
    steps = list(steps)
    made = [output for step in steps for output in step.outputs]
    begun_with = sorted({dep for step in steps for dep in step.deps if not is_below(dep, made)})
    content = {
        "cell": asdict(cell),
        "scripts": [step.script for step in steps],
        "files": {dep: path_digest(project / dep) for dep in begun_with},
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def step_key(project: Path, step: Step) -> str:
    """Return what the outputs of a step are known by: its commands and all that it depends on, as it is now."""
    files = {dep: path_digest(project / dep) for dep in step.deps}
    content = {"script": step.script, "files": files, "version": __version__}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def path_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names; "" for what is not there."""
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        return ""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    listed = [(file.relative_to(path).as_posix(), file_digest(file)) for file in files]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def is_below(path: str, others: Iterable[str]) -> bool:
    """Return whether a path is one of others, lies in one, or holds one."""
    own = Path(path)
    return any(own == Path(other) or Path(other) in own.parents or own in Path(other).parents for other in others)


def _check_methods(plans: Iterable[Plan]) -> None:
    found: Dict[Tuple[Cell, str], str] = {}
    for plan in plans:
        cell = plan.cell
        other = found.setdefault((replace(cell, method=""), _scripts(plan.steps)), cell.method)
        if other != cell.method:
            value = f"{other},{cell.method}"
            raise CrossnerError(Errors.C063.format(setting=cell.setting, option="--methods", value=value))


def _scripts(steps: Iterable[Step]) -> str:
    return json.dumps([step.script for step in steps])
