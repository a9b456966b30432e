"""Runs the cells of a grid: nothing twice, and after a kill from where it was."""

import json
import statistics
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

import srsly

from ..data.faults import UNREADABLE, Faults
from ..data.files import reason, write_files
from ..errors import CrossnerError, Errors
from .estimate import estimate_cells
from .grid import Cell, Plan, Step, path_digest, plan_grid, project_variables, step_key
from .step import run_step

RUNS, STAGES, LOGS, LOCK = "runs.jsonl", "stages.json", "logs", ".compare.lock"
CELL = [part.name for part in fields(Cell)]
STAGE = {"name", "key", "digest", "seconds", "megabytes"}


@dataclass
class Ledger:
    """What is known of earlier runs, in a folder.

    folder (Path): it holds `runs.jsonl`, a line for each finished cell, and `stages.json`, what the outputs of steps
        were made by.
    broken (Dict[str, CrossnerError]): how steps have failed since it was read, by their keys.
    """

    folder: Path
    runs: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    stages: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    broken: Dict[str, CrossnerError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what there is."""
        if (self.folder / RUNS).is_file():
            self.runs = read_runs(self.folder / RUNS)
        try:
            found = srsly.read_json(self.folder / STAGES)
        except ValueError:
            # Not there, or damaged: what is not known of is made anew.
            found = {}
        if isinstance(found, dict):
            self.stages = {path: note for path, note in found.items() if isinstance(note, dict) and set(note) >= STAGE}

    @property
    def cells(self) -> List[Cell]:
        """The cells that there are runs of."""
        return [Cell(**{name: run[name] for name in CELL}) for run in self.runs.values()]

    def add_runs(self, *runs: Dict[str, Any]) -> None:
        """Note finished cells."""
        self.runs.update((run["key"], run) for run in runs)
        lines = [json.dumps(run, ensure_ascii=False) for run in self.runs.values()]
        write_files({self.folder / RUNS: ("\n".join(lines) + "\n").encode("utf8")})

    def add_stage(self, step: Step, project: Path, key: str, seconds: float, megabytes: float) -> None:
        """Note a finished step."""
        digests = {output: path_digest(project / output) for output in step.outputs}
        for output in step.outputs:
            # The latest comes last.
            self.stages.pop(output, None)
            self.stages[output] = {
                "name": step.name,
                "key": key,
                "digest": digests[output],
                "seconds": round(seconds, 1),
                "megabytes": round(megabytes),
            }
        write_files({self.folder / STAGES: (json.dumps(self.stages, indent=1) + "\n").encode("utf8")})

    def find_stage(self, step: Step, project: Path, key: str) -> Optional[Dict[str, Any]]:
        """Return the note of a step whose outputs are there as this very step has left them."""
        notes = [self.stages.get(output) for output in step.outputs]
        for output, note in zip(step.outputs, notes, strict=True):
            if note is None or note["key"] != key or note["digest"] != path_digest(project / output):
                return None
        return notes[0] if notes else None


def read_runs(path: Path) -> Dict[str, Dict[str, Any]]:
    """Return the runs of a file by their keys. What is no run, such as a last line that a kill has cut, is passed over.

    path (Path): a `runs.jsonl`.
    RAISES (DataError): it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf8", errors="replace")
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error
    found = {}
    # No splitlines: other line ends of Unicode may stand in the name of a type.
    for line in text.split("\n"):
        try:
            run = json.loads(line)
        except ValueError:
            continue
        if isinstance(run, dict) and {"key", "test", *CELL} <= {"variant", *run}:
            found[run["key"]] = {"variant": "", **run}
    return found


@dataclass
class Progress:
    """Where a grid is.

    cell (Cell): the cell that is done.
    run (Dict[str, Any]): its line; empty where it has failed.
    is_known (bool): whether it was done before.
    done (int): cells that are done.
    total (int): cells of the grid.
    seconds_left (Optional[float]): time that the others will take, see `estimate_cells`; None where nothing tells.
    failure (str): why it has failed; "" where it has not.
    """

    cell: Cell
    run: Dict[str, Any]
    is_known: bool
    done: int
    total: int
    seconds_left: Optional[float]
    failure: str = ""


def run_grid(
    project: Path,
    cells: Sequence[Cell],
    output: Path,
    *,
    variables: Optional[Mapping[str, Any]] = None,
    budget: Optional[float] = None,
    known: Sequence[Path] = (),
) -> Iterator[Progress]:
    """Run the cells that no run is known of.

    project (Path): the folder of project.yml.
    cells (Sequence[Cell]): the cells.
    output (Path): the folder of the ledger and of the logs.
    variables (Optional[Mapping[str, Any]]): variables of the project for all cells.
    budget (Optional[float]): seconds after which no further cell is begun, nor one that is likely to take longer.
    known (Sequence[Path]): `runs.jsonl` of other grids: runs that are cells of this one are taken over.
    YIELDS (Progress): after each cell, be it done or failed.
    RAISES (CrossnerError): as `plan_grid` says, or another grid runs in the project.
    """
    variables = variables or {}
    plans = plan_grid(project, cells, variables)
    settings = _settings(project, variables)
    with only_grid(project):
        ledger = Ledger(output)
        wanted = {plan.key for plan in plans} - set(ledger.runs)
        taken = {key: run for path in known for key, run in read_runs(path).items() if key in wanted}
        if taken:
            ledger.add_runs(*taken.values())
        begun = time.perf_counter()
        times: List[float] = []
        # What is known comes first.
        done_before = [plan for plan in plans if plan.key in ledger.runs]
        todo = [plan for plan in plans if plan.key not in ledger.runs]
        for done, plan in enumerate(done_before, 1):
            yield Progress(plan.cell, ledger.runs[plan.key], True, done, len(plans), None)
        ahead = _seconds_ahead(project, todo, ledger, times)
        for i, plan in enumerate(todo):
            spent = time.perf_counter() - begun
            if budget is not None and spent + (ahead[0] or 0.0) > budget:
                return
            run: Dict[str, Any] = {}
            failure = ""
            try:
                run = run_cell(project, plan, ledger, settings)
                times.append(time.perf_counter() - begun - spent)
            except CrossnerError as error:
                failure = str(error)
            ahead = _seconds_ahead(project, todo[i + 1 :], ledger, times)
            left = None if None in ahead else sum(seconds or 0.0 for seconds in ahead)
            yield Progress(plan.cell, run, False, len(done_before) + i + 1, len(plans), left, failure)


@contextmanager
def only_grid(project: Path) -> Iterator[None]:
    """Keep a second grid out of a project while one runs, as cells write the same files; not on Windows.

    RAISES (CrossnerError): another one runs there.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (project / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CrossnerError(Errors.C064.format(project=project)) from error
        except OSError:
            # A file system without locks.
            pass
        yield


def run_cell(project: Path, plan: Plan, ledger: Ledger, settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Run the steps of a cell whose outputs are not there yet, and note what came of it.

    project (Path): the folder.
    plan (Plan): the cell.
    ledger (Ledger): what is known of earlier runs.
    settings (Mapping[str, Any]): what else its line says.
    RETURNS (Dict[str, Any]): the line.
    RAISES (CrossnerError): a step fails, now or for an earlier cell; those before it are noted.
    """
    stages: Dict[str, Dict[str, float]] = {}
    scores: Dict[str, Any] = {}
    for step in plan.steps:
        own = step_key(project, step)
        note = ledger.find_stage(step, project, own)
        if note is None:
            if own in ledger.broken:
                raise ledger.broken[own]
            try:
                seconds, megabytes = run_step(project, step, ledger.folder / LOGS)
            except CrossnerError as error:
                ledger.broken[own] = error
                raise
            ledger.add_stage(step, project, own, seconds, megabytes)
            note = {"seconds": seconds, "megabytes": megabytes}
        stages[step.name] = {"seconds": note["seconds"], "megabytes": note["megabytes"]}
        for path in step.scores:
            scores = srsly.read_json(project / path)
    run = {
        "key": plan.key,
        **asdict(plan.cell),
        **settings,
        "test": _figures(scores),
        "dev_f": _dev_score(project, scores),
        "data": scores["data"],
        "versions": scores["versions"],
        "device": scores["device"],
        "stages": stages,
        "scripts": [line for step in plan.steps for line in step.script],
        "counts": scores.get("per_sentence"),
    }
    ledger.add_runs(run)
    return run


def _settings(project: Path, variables: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the encoder, and the variables that are not as project.yml has them."""
    defaults = project_variables(project)
    # A command line has strings only.
    changed = {name: value for name, value in variables.items() if str(value) != str(defaults.get(name))}
    return {"encoder": {**defaults, **changed}.get("encoder"), "variables": changed}


def _seconds_ahead(
    project: Path, plans: Sequence[Plan], ledger: Ledger, times: Sequence[float]
) -> List[Optional[float]]:
    latest = {name: stage["seconds"] for run in ledger.runs.values() for name, stage in run.get("stages", {}).items()}
    latest.update((note["name"], note["seconds"]) for note in ledger.stages.values())

    def is_there(step: Step) -> bool:
        return ledger.find_stage(step, project, step_key(project, step)) is not None

    return estimate_cells(plans, latest, is_there, statistics.mean(times) if times else None)


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
    """Return the score on dev by which the pipeline was chosen, as it has noted it."""
    meta = project / scores["model"]["path"] / "meta.json"
    if not meta.is_file():
        return None
    found: Optional[float] = srsly.read_json(meta).get("performance", {}).get("ents_f")
    return found
