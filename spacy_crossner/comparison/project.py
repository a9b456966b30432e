"""What project.yml says: its variables, and the steps of a run with these filled in."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple, cast

import srsly
from weasel.schemas import ProjectConfigSchema, validate
from weasel.util import split_command
from weasel.util.config import load_project_config

from ..data.files import reason
from ..errors import CrossnerError, Errors
from .grid_run import GridRun

PROJECT_FILE = "project.yml"
# Steps that make no score.
NOT_SCORED = ("package", "install")
METRICS = "metrics/"
# Where `train` leaves the best pipeline.
TRAINED = "model-best"
# Options of our commands that name what they write: it is not read.
WRITTEN = ("--output", "-o", "--labels-out", "--json", "--plot", "--paths.log")
# Runs of a grid whose project is kept as it was read.
KEPT = 4096


@dataclass(frozen=True)
class Step:
    """A command of the project with its variables filled in, or a line of its script.

    name (str): its name.
    script (List[str]): the command lines.
    deps (List[str]): files and folders that it depends on.
    outputs (List[str]): files and folders that it makes.
    scores (Sequence[str]): files with the scores of the run, among or in its outputs.
    """

    name: str
    script: List[str]
    deps: List[str]
    outputs: List[str]
    scores: Sequence[str] = ()


def project_variables(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables of a project, those that refer to others filled in.

    project (Path): the folder of project.yml.
    variables (Mapping[str, Any]): some of them with other values, as `--vars` gives them.
    RAISES (CrossnerError): as `read_project` says.
    """
    # It has them filled into other values, but not in their own places.
    return {**(read_project(project, variables).get("vars") or {}), **variables}


def grid_run_steps(project: Path, grid_run: GridRun, variables: Mapping[str, Any]) -> List[Step]:
    """Return what the project does for a run.

    project (Path): the folder of project.yml.
    grid_run (GridRun): the run.
    variables (Mapping[str, Any]): variables of the project, as `--vars` gives them, for all runs.
    RAISES (CrossnerError): there is no such workflow, or it scores nothing, or as `read_project` says.
    """
    config = read_project(project, {**variables, **grid_run.variables})
    workflows = config.get("workflows", {})
    if grid_run.setting not in workflows:
        raise CrossnerError(Errors.C054.format(setting=grid_run.setting, known=", ".join(workflows)))
    commands = {command["name"]: command for command in config["commands"]}
    steps: List[Step] = []
    for name in workflows[grid_run.setting]:
        if name not in NOT_SCORED:
            # A variable that is empty leaves a dependency that is none.
            script, deps, outputs = (
                [line for line in commands[name].get(part) or [] if line.strip()]
                for part in ("script", "deps", "outputs")
            )
            step = Step(name, script, deps, outputs, _score_files(outputs, steps))
            steps += _split(step)
    if not any(step.scores for step in steps):
        raise CrossnerError(Errors.C055.format(setting=grid_run.setting, folder=METRICS))
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
        content = srsly.read_yaml(path)
    except OSError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=reason(error))) from error
    except ValueError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=" ".join(str(error).split()))) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise CrossnerError(Errors.C073.format(path=path, found=f"{str(content)[:30]!r}, no mapping of names"))
    problems = validate(ProjectConfigSchema, content)
    if problems:
        raise CrossnerError(Errors.C073.format(path=path, found="; ".join(problems)))


def _score_files(outputs: Iterable[str], steps: Iterable[Step]) -> List[str]:
    """Return the files with the scores of a run among the outputs of a step.

    In a folder with the scores of several ways it is that of the way which the earlier steps have trained.
    """
    pipelines = [Path(path) for step in steps for path in step.outputs if Path(path).name == TRAINED]
    way = pipelines[-1].parent.name if pipelines else ""
    scores = [path for path in outputs if path.startswith(METRICS)]
    return [path if path.endswith(".json") or not way else f"{path}/{way}.json" for path in scores]


def _split(step: Step) -> List[Step]:
    """Return a step for each line of a script, so that runs share what the first lines make.

    A script of which a line makes nothing of its own stays one step.
    """
    lines: List[Step] = []
    for i, line in enumerate(step.script, 1):
        words = [word for word in split_command(line) if Path(word) != Path()]
        written = [word for before, word in zip(["", *words], words, strict=False) if before in WRITTEN]
        outputs = [path for path in step.outputs if is_within(path, written)]
        made = [path for before in lines for path in before.outputs]
        deps = [path for path in (*step.deps, *made) if is_below(path, words)]
        scores = [path for path in step.scores if is_within(path, outputs)]
        lines.append(Step(f"{step.name}-{i}", [line], deps, outputs, scores))
    is_whole = all(line.outputs for line in lines) and len(lines) > 1
    return lines if is_whole and {dep for line in lines for dep in line.deps} >= set(step.deps) else [step]


def is_within(path: str, others: Iterable[str]) -> bool:
    """Return whether a path is one of others or lies in one."""
    place = Path(path)
    return any(place == Path(other) or Path(other) in place.parents for other in others)


def is_below(path: str, others: Iterable[str]) -> bool:
    """Return whether a path is one of others, lies in one, or holds one."""
    others = list(others)
    return is_within(path, others) or any(Path(path) in Path(other).parents for other in others)


@lru_cache(maxsize=KEPT)
def _read_project(project: Path, changed: int, variables: Tuple[Tuple[str, Any], ...]) -> Dict[str, Any]:
    config = load_project_config(project, overrides={f"vars.{name}": value for name, value in variables})
    if not isinstance(config.get("commands"), list):
        # What it is where a value has broken the file.
        raise ValueError("its commands are no list")
    for command in config["commands"]:
        for line in command.get("script") or []:
            split_command(line)
    return cast(Dict[str, Any], config)
