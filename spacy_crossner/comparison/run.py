"""Runs the cells of a grid: nothing twice, and after a kill from where it was."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import srsly
from weasel.util import split_command

from ..data.files import write_files
from ..errors import CrossnerError, Errors
from .grid import Cell, Step, cell_key, cell_steps, path_digest, step_key

RUNS, STAGES, LOGS = "runs.jsonl", "stages.json", "logs"


@dataclass
class Ledger:
    """What is known of earlier runs, in a folder.

    folder (Path): it holds `runs.jsonl`, a line for each finished cell, and `stages.json`, what the outputs of steps
        were made by.
    """

    folder: Path
    runs: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    stages: Dict[str, Dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what there is. A last line that a kill has cut is passed over."""
        if (self.folder / RUNS).is_file():
            for line in (self.folder / RUNS).read_text(encoding="utf8").splitlines():
                try:
                    run = json.loads(line)
                except ValueError:
                    continue
                self.runs[run["key"]] = run
        if (self.folder / STAGES).is_file():
            self.stages = srsly.read_json(self.folder / STAGES)

    def add_run(self, run: Dict[str, Any]) -> None:
        """Note a finished cell."""
        self.runs[run["key"]] = run
        lines = [json.dumps(run, ensure_ascii=False) for run in self.runs.values()]
        write_files({self.folder / RUNS: ("\n".join(lines) + "\n").encode("utf8")})

    def add_stage(self, step: Step, project: Path, key: str, seconds: float, megabytes: float) -> None:
        """Note a finished step."""
        digests = {output: path_digest(project / output) for output in step.outputs}
        for output in step.outputs:
            self.stages[output] = {
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


@dataclass
class Progress:
    """Where a grid is.

    cell (Cell): the cell that is done.
    run (Dict[str, Any]): its line.
    is_known (bool): whether it was done before.
    done (int): cells that are done.
    total (int): cells of the grid.
    seconds_left (Optional[float]): time that the others will take, by the mean of those that were run; None while
        none was.
    """

    cell: Cell
    run: Dict[str, Any]
    is_known: bool
    done: int
    total: int
    seconds_left: Optional[float]


def run_grid(
    project: Path,
    cells: Sequence[Cell],
    output: Path,
    *,
    variables: Optional[Mapping[str, Any]] = None,
    budget: Optional[float] = None,
) -> Iterator[Progress]:
    """Run the cells that no run is known of.

    project (Path): the folder of project.yml.
    cells (Sequence[Cell]): the cells.
    output (Path): the folder of the ledger and of the logs.
    variables (Optional[Mapping[str, Any]]): variables of the project for all cells.
    budget (Optional[float]): seconds after which no further cell is begun, nor one that is likely to take longer.
    YIELDS (Progress): after each cell.
    RAISES (CrossnerError): a step fails; what was done before it is kept.
    """
    ledger = Ledger(output)
    begun = time.perf_counter()
    times: List[float] = []
    todo = []
    for cell in cells:
        steps = cell_steps(project, cell, variables or {})
        todo.append((cell, steps, cell_key(project, cell, steps)))
    unknown = sum(key not in ledger.runs for _, _, key in todo)
    # What is known comes first.
    for done, (cell, steps, key) in enumerate(sorted(todo, key=lambda row: row[2] not in ledger.runs), 1):
        known = ledger.runs.get(key)
        if known is None:
            spent = time.perf_counter() - begun
            if budget is not None and spent + (max(times) if times else 0) > budget:
                return
            known = run_cell(project, cell, steps, key, ledger)
            times.append(time.perf_counter() - begun - spent)
            unknown -= 1
            yield Progress(cell, known, False, done, len(todo), unknown * sum(times) / len(times))
        else:
            yield Progress(cell, known, True, done, len(todo), None)


def run_cell(
    project: Path,
    cell: Cell,
    steps: Sequence[Step],
    key: str,
    ledger: Ledger,
) -> Dict[str, Any]:
    """Run the steps of a cell whose outputs are not there yet, and note what came of it."""
    stages: Dict[str, Dict[str, float]] = {}
    scores: Dict[str, Any] = {}
    for step in steps:
        own = step_key(project, step)
        note = ledger.find_stage(step, project, own)
        if note is None:
            seconds, megabytes = run_step(project, step, ledger.folder / LOGS)
            missing = [path for path in step.outputs if not (project / path).exists()]
            if missing:
                raise CrossnerError(Errors.C056.format(step=step.name, cell=cell, problem=f"it left no {missing[0]}"))
            ledger.add_stage(step, project, own, seconds, megabytes)
            note = {"seconds": seconds, "megabytes": megabytes}
        stages[step.name] = {"seconds": note["seconds"], "megabytes": note["megabytes"]}
        for path in step.scores:
            scores = srsly.read_json(project / path)
    run = {
        "key": key,
        **asdict(cell),
        "test": _figures(scores),
        "dev_f": _dev_score(project, scores),
        "data": scores["data"],
        "versions": scores["versions"],
        "device": scores["device"],
        "stages": stages,
        "scripts": [line for step in steps for line in step.script],
        "counts": scores.get("per_sentence"),
    }
    ledger.add_run(run)
    return run


def run_step(project: Path, step: Step, logs: Path) -> Tuple[float, float]:
    """Run the commands of a step in the project's folder; what they print goes to a log.

    project (Path): the folder.
    step (Step): the step.
    logs (Path): the folder of the log, `<step>.log`.
    RETURNS (Tuple[float, float]): seconds, and the peak memory of a process in megabytes.
    RAISES (CrossnerError): a command fails.
    """
    logs.mkdir(parents=True, exist_ok=True)
    begun, most = time.perf_counter(), 0.0
    log = logs / f"{step.name}.log"
    with log.open("wb") as handle:
        for line in step.script:
            words = split_command(line)
            if words[0] in ("python", "python3"):
                words[0] = sys.executable
            handle.write(f"{line}\n".encode())
            handle.flush()
            with subprocess.Popen(words, cwd=project, stdout=handle, stderr=subprocess.STDOUT) as process:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            # Linux counts kilobytes, macOS bytes.
            most = max(most, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
            if process.returncode:
                said = log.read_text(encoding="utf8", errors="replace").splitlines()[-3:]
                problem = f"exit {process.returncode}; {log} ends with: {' '.join(said)}"
                raise CrossnerError(Errors.C056.format(step=step.name, cell=step.script[0], problem=problem))
    return time.perf_counter() - begun, most


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
