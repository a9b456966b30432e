"""What is known of the runs of a grid, in a folder that one grid at a time writes to."""

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
# What a line has, and what a note has of a stage.
LINE = {"key", "test", "dev_f", "counts", "stages", *FIELDS}
STAGE = {"name", "key", "digest", "seconds", "megabytes"}


@dataclass
class Ledger:
    """What is known of earlier runs, in a folder.

    folder (Path): it holds `runs.jsonl`, a line for each finished run, and `stages.json`, what the outputs of steps
        were made by.
    broken (Dict[str, CrossnerError]): how steps have failed since it was read, by their keys.
    """

    folder: Path
    runs: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    stages: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    broken: Dict[str, CrossnerError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read what there is."""
        if (self.folder / RUNS).exists():
            self.runs = read_runs(self.folder / RUNS)
        try:
            stages = srsly.read_json(self.folder / STAGES)
        except (ValueError, OSError):
            # Not there, or damaged: what is not known of is made anew.
            stages = {}
        if isinstance(stages, dict):
            self.stages = {path: note for path, note in stages.items() if isinstance(note, dict) and set(note) >= STAGE}

    @property
    def grid_runs(self) -> List[GridRun]:
        """The runs of grids that are finished."""
        return [GridRun(**{name: run[name] for name in FIELDS}) for run in self.runs.values()]

    def add_runs(self, *runs: Dict[str, Any]) -> None:
        """Note finished runs."""
        if not runs:
            return
        # A later line of a key counts: what is there stays, damaged lines too.
        path = self.folder / RUNS
        before = path.read_bytes() if path.exists() else b""
        begin = "" if before.endswith(b"\n") or not before else "\n"
        lines = "".join(json.dumps(run, ensure_ascii=False) + "\n" for run in runs)
        write_files({path: before + (begin + lines).encode("utf8")})
        for run in runs:
            self.runs.pop(run["key"], None)
            self.runs[run["key"]] = run

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
    runs: Dict[str, Dict[str, Any]] = {}
    # No splitlines: other line ends of Unicode may stand in the name of a type.
    for line in text.split("\n"):
        try:
            run = json.loads(line)
        except ValueError:
            continue
        if isinstance(run, dict) and {"variant", *run} >= LINE and isinstance(run["key"], str):
            # The latest comes last.
            runs.pop(run["key"], None)
            runs[run["key"]] = {"variant": "", **run}
    return runs
