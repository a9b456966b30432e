"""The content of project.yml: its variables, and the steps of a run with the variables filled in."""

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
# Steps that do not affect the scores.
NOT_SCORED = ("package", "install")
METRICS = "metrics/"
# Folder name of the best pipeline of `train`.
TRAINED = "model-best"
# Options of our commands that name output files.
WRITTEN = ("--output", "-o", "--labels-out", "--json", "--plot", "--paths.log")
# Number of parsed projects in the cache: one for each combination of variables.
KEPT = 4096


@dataclass(frozen=True)
class Step:
    """A project command with its variables filled in, or one line of its script.

    name (str): the name of the step.
    script (List[str]): the command lines.
    deps (List[str]): input files and folders.
    outputs (List[str]): output files and folders.
    scores (Sequence[str]): score files of the run, among the outputs or in an output folder.
    """

    name: str
    script: List[str]
    deps: List[str]
    outputs: List[str]
    scores: Sequence[str] = ()


def project_variables(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the variables of a project, with references between variables resolved.

    project (Path): the folder with project.yml.
    variables (Mapping[str, Any]): variables to override, as with `--vars`.
    RAISES (CrossnerError): see `read_project`.
    """
    # The loaded project fills overrides into other values but keeps the old value of the variable itself.
    return {**(read_project(project, variables).get("vars") or {}), **variables}


def grid_run_steps(project: Path, grid_run: GridRun, variables: Mapping[str, Any]) -> List[Step]:
    """Return the project steps of a run.

    project (Path): the folder with project.yml.
    grid_run (GridRun): the run.
    variables (Mapping[str, Any]): project variables for all runs, as with `--vars`.
    RAISES (CrossnerError): the workflow does not exist or writes no scores; or see `read_project`.
    """
    config = read_project(project, {**variables, **grid_run.variables})
    workflows = config.get("workflows", {})
    if grid_run.setting not in workflows:
        raise CrossnerError(Errors.C054.format(setting=grid_run.setting, known=", ".join(workflows)))
    commands = {command["name"]: command for command in config["commands"]}
    steps: List[Step] = []
    for name in workflows[grid_run.setting]:
        if name not in NOT_SCORED:
            # Empty variables leave empty dependencies: drop them.
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
    """Return the content of project.yml with its variables filled in. The result is cached: do not change it.

    project (Path): the folder with project.yml.
    variables (Mapping[str, Any]): variables to override.
    RAISES (CrossnerError): the file, or a command in it, is invalid with these values.
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
    """Check that a folder contains a valid project.yml.

    project (Path): the folder.
    RAISES (CrossnerError): the file is missing, is not YAML, or is not a project.
    """
    path = project / PROJECT_FILE
    try:
        content = srsly.read_yaml(path)
    except OSError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=reason(error))) from error
    except ValueError as error:
        raise CrossnerError(Errors.C073.format(path=path, found=" ".join(str(error).split()))) from error
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise CrossnerError(Errors.C073.format(path=path, found=f"{str(content)[:30]!r}, not a mapping of names"))
    problems = validate(ProjectConfigSchema, content)
    if problems:
        raise CrossnerError(Errors.C073.format(path=path, found="; ".join(problems)))


def _score_files(outputs: Iterable[str], steps: Iterable[Step]) -> List[str]:
    """Return the files with the scores of a run among the outputs of a step.

    A metrics folder may contain the scores of several ways. The result is the file of the way that the earlier steps
    trained.
    """
    pipelines = [Path(path) for step in steps for path in step.outputs if Path(path).name == TRAINED]
    way = pipelines[-1].parent.name if pipelines else ""
    scores = [path for path in outputs if path.startswith(METRICS)]
    return [path if path.endswith(".json") or not way else f"{path}/{way}.json" for path in scores]


def _split(step: Step) -> List[Step]:
    """Split a step into one step for each line of its script, so that runs can share the outputs of the first lines.

    A script stays one step if one of its lines has no output of its own.
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
    """Return whether a path equals one of the others or is inside one of them."""
    place = Path(path)
    return any(place == Path(other) or Path(other) in place.parents for other in others)


def is_below(path: str, others: Iterable[str]) -> bool:
    """Return whether a path equals one of the others, is inside one of them, or contains one of them."""
    others = list(others)
    return is_within(path, others) or any(Path(path) in Path(other).parents for other in others)


@lru_cache(maxsize=KEPT)
def _read_project(project: Path, changed: int, variables: Tuple[Tuple[str, Any], ...]) -> Dict[str, Any]:
    config = load_project_config(project, overrides={f"vars.{name}": value for name, value in variables})
    if not isinstance(config.get("commands"), list):
        # A value of a variable can break the structure of the file.
        raise ValueError("its commands are not a list")
    for command in config["commands"]:
        for line in command.get("script") or []:
            split_command(line)
    return cast(Dict[str, Any], config)
