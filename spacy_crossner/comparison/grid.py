"""The cells of a grid, and what the project does for each."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from weasel.util import split_command
from weasel.util.config import load_project_config

from .. import __version__
from ..errors import CrossnerError, Errors
from ..training.fingerprint import file_digest

# Steps that make no score.
NOT_SCORED = ("package", "install")
METRICS = "metrics/"
# Variables of the project that a cell sets.
OF_CELL = ("method", "domain", "seed", "target_sentences")
# Options of our commands that name what they write: it is not read.
WRITTEN = ("--output", "-o", "--labels-out", "--json", "--plot", "--paths.log")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    setting (str): a workflow of project.yml.
    method (str): a config.
    domain (str): the target.
    seed (int): seed of the target stage.
    sentences (int): labelled sentences of the target; 0 for all.
    variant (str): a variable of the project that is another one than for other cells, `name=value`; "" for none.
    """

    setting: str
    method: str
    domain: str
    seed: int
    sentences: int = 0
    variant: str = ""

    def __str__(self) -> str:
        """Return what a line of the progress calls it."""
        few = f", {self.sentences} sentences" if self.sentences else ""
        other = f", {self.variant}" if self.variant else ""
        return f"{self.setting} {self.method} on {self.domain}{few}{other}, seed {self.seed}"

    @property
    def variables(self) -> Dict[str, Any]:
        """The variables of the project that it sets."""
        name, _, value = self.variant.partition("=")
        own = {"method": self.method, "domain": self.domain, "seed": self.seed, "target_sentences": self.sentences}
        return {**own, **({name: value} if name else {})}


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
    variants: Sequence[str] = ("",),
) -> List[Cell]:
    """Return all cells, seeds last, so that a budget cuts seeds.

    But all seeds of a variant come before the next: its stages would overwrite those that the seeds share.
    """
    cells = (
        Cell(setting, method, domain, seed, size, variant)
        for variant in variants
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
    RAISES (CrossnerError): the project has no such variable, or as `cell_steps` says, or a file is not there that no
        step makes, or a workflow does the same whatever the method, the number of sentences or the variant is: its
        rows would be said to be what they are not.
    """
    known = [name for name in project_variables(project) if name not in OF_CELL]
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
        plans.append(Plan(cell, steps, cell_key(project, cell, steps, digest)))
    _check_methods(plans)
    for plan in plans:
        cell = plan.cell
        for option, value, other in (
            ("--sentences", cell.sentences, replace(cell, sentences=0)),
            ("--vary", cell.variant, replace(cell, variant="")),
        ):
            if value and _scripts(plan.steps) == _scripts(cell_steps(project, other, variables)):
                raise CrossnerError(Errors.C063.format(setting=cell.setting, option=option, value=value))
    return plans


def current_keys(project: Path, cells: Iterable[Cell], variables: Mapping[str, Any]) -> Set[str]:
    """Return the keys that cells have as the project is now; a cell that it has no workflow for has none."""
    keys = set()
    digest = lru_cache(maxsize=None)(path_digest)
    for cell in cells:
        try:
            keys.add(cell_key(project, cell, cell_steps(project, cell, variables), digest))
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
    overrides = {f"vars.{name}": value for name, value in {**variables, **cell.variables}.items()}
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


def cell_key(project: Path, cell: Cell, steps: Iterable[Step], digest: Optional[Callable[[Path], str]] = None) -> str:
    """Return what a finished run is known by: the cell, its commands, the files that it begins with, the version.

    project (Path): the folder of project.yml.
    cell (Cell): the cell.
    steps (Iterable[Step]): what the project does for it.
    digest (Optional[Callable[[Path], str]]): what a file or folder is known by; `path_digest` if not given.
    """
    steps = list(steps)
    made = [output for step in steps for output in step.outputs]
    read = {path for step in steps for path in (*step.deps, *_named_files(project, step))}
    content = {
        # Without a variant a cell has the key that it had before there were any.
        "cell": {name: value for name, value in asdict(cell).items() if name != "variant" or value},
        "scripts": [step.script for step in steps],
        "files": {path: (digest or path_digest)(project / path) for path in read if not is_below(path, made)},
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def step_key(project: Path, step: Step) -> str:
    """Return what the outputs of a step are known by: its commands and all that it depends on, as it is now."""
    files = {path: path_digest(project / path) for path in {*step.deps, *_named_files(project, step)}}
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


def _named_files(project: Path, step: Step) -> Set[str]:
    """Return the files and folders that the commands of a step name beside its dependencies: an encoder, more text."""
    found = set()
    for line in step.script:
        words = split_command(line)
        for before, word in zip(["", *words], words, strict=False):
            path = project / word
            # Not `Path.exists`, for which too long a word is an error.
            if before in WRITTEN or is_below(word, [*step.deps, *step.outputs]) or not os.path.exists(path):
                continue
            # A folder that holds the project holds all that cells write.
            if path.resolve() not in (project.resolve(), *project.resolve().parents):
                found.add(word)
    return found


def _check_files(project: Path, cell: Cell, steps: Sequence[Step]) -> None:
    made: List[str] = []
    for step in steps:
        for dep in step.deps:
            if not is_below(dep, made) and not (project / dep).exists():
                raise CrossnerError(Errors.C066.format(step=step.name, cell=cell, path=project / dep))
        made += step.outputs


def _scripts(steps: Iterable[Step]) -> str:
    return json.dumps([step.script for step in steps])
