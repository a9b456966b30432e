"""Execute the runs of a grid. Finished steps are reused, also after a kill."""

import statistics
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import srsly

from ..errors import CrossnerError, Errors
from ..storage.locks import only_writer
from .estimate import estimate_runs
from .grid import Plan, plan_grid
from .grid_run import GridRun
from .keys import step_key
from .ledger import Ledger, read_runs
from .project import Step, project_variables
from .step import run_step

LOGS = "logs"
# Name of the lock file for everything that a grid writes in a project or results folder.
LOCKED = "compare"


@dataclass
class Progress:
    """The progress of a grid after a run.

    grid_run (GridRun): the run that just ended.
    run (Dict[str, Any]): its record in `runs.jsonl`; empty if it failed.
    is_known (bool): whether the run was already finished before.
    done (int): number of runs that have ended.
    total (int): number of runs in the grid.
    seconds_left (Optional[float]): estimated time of the remaining runs, see `estimate_runs`; None if unknown.
    failure (str): the error message if the run failed; otherwise "".
    """

    grid_run: GridRun
    run: Dict[str, Any]
    is_known: bool
    done: int
    total: int
    seconds_left: Optional[float]
    failure: str = ""


def run_grid(
    project: Path,
    grid_runs: Sequence[GridRun],
    output: Path,
    *,
    variables: Optional[Mapping[str, Any]] = None,
    budget: Optional[float] = None,
    known: Sequence[Path] = (),
) -> Iterator[Progress]:
    """Execute the unfinished runs of a grid.

    project (Path): the folder with project.yml.
    grid_runs (Sequence[GridRun]): the runs.
    output (Path): the folder for the ledger and the logs.
    variables (Optional[Mapping[str, Any]]): project variables for all runs.
    budget (Optional[float]): time budget in seconds. A run is not started if it is expected to exceed the budget.
    known (Sequence[Path]): `runs.jsonl` files of other grids. Finished runs that belong to this grid are reused.
    YIELDS (Progress): after each run, finished or failed.
    RAISES (CrossnerError): see `plan_grid`; or another grid is running in the project.
    """
    variables = variables or {}
    plans = plan_grid(project, grid_runs, variables)
    with ExitStack() as stack:
        for folder in dict.fromkeys((project.resolve(), output.resolve())):
            stack.enter_context(only_writer(folder / LOCKED, Errors.C064))
        ledger = Ledger(output)
        for path in known:
            missing = {plan.key for plan in plans} - set(ledger.runs)
            ledger.add_runs(*(run for key, run in read_runs(path).items() if key in missing))
        started = time.perf_counter()
        times: List[float] = []
        # Report the finished runs first.
        done_before = [plan for plan in plans if plan.key in ledger.runs]
        unfinished = [plan for plan in plans if plan.key not in ledger.runs]
        for done, plan in enumerate(done_before, 1):
            yield Progress(plan.grid_run, ledger.runs[plan.key], True, done, len(plans), None)
        estimates = _estimate_seconds(project, unfinished, ledger, times)
        for i, plan in enumerate(unfinished):
            spent = time.perf_counter() - started
            if budget is not None and spent + (estimates[0] or 0.0) > budget:
                return
            run: Dict[str, Any] = {}
            failure = ""
            try:
                run = run_plan(project, plan, ledger, variables)
                times.append(time.perf_counter() - started - spent)
            except CrossnerError as error:
                failure = str(error)
            estimates = _estimate_seconds(project, unfinished[i + 1 :], ledger, times)
            seconds_left = None if None in estimates else sum(seconds or 0.0 for seconds in estimates)
            yield Progress(plan.grid_run, run, False, len(done_before) + i + 1, len(plans), seconds_left, failure)


def run_plan(project: Path, plan: Plan, ledger: Ledger, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Execute the steps of a run whose outputs are missing or out of date, and add the run to the ledger.

    project (Path): the folder with project.yml.
    plan (Plan): the run.
    ledger (Ledger): records of earlier runs.
    variables (Mapping[str, Any]): project variables for all runs.
    RETURNS (Dict[str, Any]): the record of the run.
    RAISES (CrossnerError): a step fails, or failed in an earlier run; the finished steps before it stay recorded. Or a
        score file does not have the format of `spacy crossner evaluate`.
    """
    stages: Dict[str, Dict[str, float]] = {}
    scores: Dict[str, Any] = {}
    for step in plan.steps:
        key = step_key(project, step)
        note = ledger.find_stage(step, project, key)
        if note is None:
            if key in ledger.broken:
                raise ledger.broken[key]
            try:
                seconds, megabytes = run_step(project, step, ledger.folder / LOGS)
            except CrossnerError as error:
                ledger.broken[key] = error
                raise
            ledger.add_stage(step, project, key, seconds, megabytes)
            note = {"seconds": seconds, "megabytes": megabytes}
        stages[step.name] = {"seconds": note["seconds"], "megabytes": note["megabytes"]}
        for path in step.scores:
            try:
                scores = _read_scores(project, path)
            except (OSError, ValueError, KeyError, TypeError) as error:
                problem = f"{path} does not have the format of `spacy crossner evaluate` ({error!r})"
                raise CrossnerError(Errors.C056.format(step=step.name, run=plan.grid_run, problem=problem)) from error
    run = {
        "key": plan.key,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        **asdict(plan.grid_run),
        **_settings(project, {**variables, **plan.grid_run.varied}),
        **scores,
        "stages": stages,
        "scripts": [line for step in plan.steps for line in step.script],
    }
    ledger.add_runs(run)
    return run


def _settings(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the encoder and the variables that differ from project.yml."""
    defaults = project_variables(project, {})
    # Compare as strings: values from the command line are strings.
    changed = {name: value for name, value in variables.items() if str(value) != str(defaults.get(name))}
    return {"encoder": project_variables(project, variables).get("encoder"), "variables": changed}


def _read_scores(project: Path, path: str) -> Dict[str, Any]:
    scores = srsly.read_json(project / path)
    return {
        "test": _figures(scores),
        "dev_f": _dev_score(project, scores),
        "data": scores["data"],
        "versions": scores["versions"],
        "device": scores["device"],
        "counts": scores.get("per_sentence"),
    }


def _estimate_seconds(
    project: Path, plans: Sequence[Plan], ledger: Ledger, times: Sequence[float]
) -> List[Optional[float]]:
    latest = {name: stage["seconds"] for run in ledger.runs.values() for name, stage in run.get("stages", {}).items()}
    latest.update((note["name"], note["seconds"]) for note in ledger.stages.values())

    def is_there(step: Step) -> bool:
        return ledger.find_stage(step, project, step_key(project, step)) is not None

    return estimate_runs(plans, latest, is_there, statistics.mean(times) if times else None)


def _figures(scores: Mapping[str, Any]) -> Dict[str, Any]:
    strict = scores["strict"]
    return {
        "f": strict["f"],
        "p": strict["p"],
        "r": strict["r"],
        "lenient_f": scores["conlleval"]["f"],
        "ece": scores["calibration"]["ece"] if scores["calibration"] else None,
        "per_type": {label: row["f"] for label, row in strict["per_type"].items()},
        "words_per_second": scores["words_per_second"],
    }


def _dev_score(project: Path, scores: Mapping[str, Any]) -> Optional[float]:
    """Return the dev score that selected the pipeline, from its meta.json; None if there is none."""
    meta = project / scores["model"]["path"] / "meta.json"
    if not meta.is_file():
        return None
    dev_f: Optional[float] = srsly.read_json(meta).get("performance", {}).get("ents_f")
    return dev_f
