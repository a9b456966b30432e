"""The ledger: records of finished runs and steps, in a folder that only one grid writes to at a time."""

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, List, Optional

import srsly

from ..data.faults import UNREADABLE, Faults
from ..data.files import reason, write_files
from ..errors import CrossnerError
from ..fingerprints import path_digest
from .grid_run import GridRun
from .project import Step

RUNS, STAGES = "runs.jsonl", "stages.json"
FIELDS = [part.name for part in fields(GridRun)]
# Fields of a line in `runs.jsonl` and of a stage in `stages.json`.
LINE = {"key", "test", "dev_f", "counts", "stages", *FIELDS}
STAGE = {"name", "key", "digest", "seconds", "megabytes"}


@dataclass
class Ledger:
    """The records of finished runs and steps in a folder.

    folder (Path): the folder with `runs.jsonl` (a line for each finished run) and `stages.json` (the step that made
        each output).
    runs (Dict[str, Dict[str, Any]]): the finished runs by key.
    stages (Dict[str, Dict[str, Any]]): the finished step of each output, by the path of the output.
    broken (Dict[str, CrossnerError]): errors of steps that failed in this process, by step key.
    """

    folder: Path
    runs: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    stages: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    broken: Dict[str, CrossnerError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the existing records."""
        if (self.folder / RUNS).exists():
            self.runs = read_runs(self.folder / RUNS)
        try:
            stages = srsly.read_json(self.folder / STAGES)
        except (ValueError, OSError):
            # The file is missing or damaged: unrecorded outputs are made again.
            stages = {}
        if isinstance(stages, dict):
            self.stages = {path: note for path, note in stages.items() if isinstance(note, dict) and set(note) >= STAGE}

    @property
    def grid_runs(self) -> List[GridRun]:
        """All finished runs."""
        return [GridRun(**{name: run[name] for name in FIELDS}) for run in self.runs.values()]

    def add_runs(self, *runs: Dict[str, Any]) -> None:
        """Record finished runs."""
        if not runs:
            return
        # Append: of several lines with the same key the last one is valid. Existing lines stay, even damaged ones.
        path = self.folder / RUNS
        before = path.read_bytes() if path.exists() else b""
        begin = "" if before.endswith(b"\n") or not before else "\n"
        lines = "".join(json.dumps(run, ensure_ascii=False) + "\n" for run in runs)
        write_files({path: before + (begin + lines).encode("utf8")})
        for run in runs:
            self.runs.pop(run["key"], None)
            self.runs[run["key"]] = run

    def add_stage(self, step: Step, project: Path, key: str, seconds: float, megabytes: float) -> None:
        """Record a finished step."""
        digests = {output: path_digest(project / output) for output in step.outputs}
        for output in step.outputs:
            # Keep the latest entry last.
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
        """Return the record of a step if its outputs are unchanged since this step wrote them; otherwise None."""
        notes = [self.stages.get(output) for output in step.outputs]
        for output, note in zip(step.outputs, notes, strict=True):
            if note is None or note["key"] != key or note["digest"] != path_digest(project / output):
                return None
        return notes[0] if notes else None


def read_runs(path: Path) -> Dict[str, Dict[str, Any]]:
    """Return the runs of a file by key. Invalid lines, such as a last line cut off by a kill, are skipped.

    path (Path): a `runs.jsonl`.
    RAISES (DataError): the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf8", errors="replace")
    except OSError as error:
        raise Faults(path).error(UNREADABLE, None, reason(error)) from error
    runs: Dict[str, Dict[str, Any]] = {}
    # Not `splitlines`: label names may contain other Unicode line ends.
    for line in text.split("\n"):
        try:
            run = json.loads(line)
        except ValueError:
            continue
        if isinstance(run, dict) and {"variant", *run} >= LINE and isinstance(run["key"], str):
            # Keep the latest entry last.
            runs.pop(run["key"], None)
            runs[run["key"]] = {"variant": "", **run}
    return runs
