"""The log of an adaptation: losses over tokens as JSON lines. A resumed run appends to it."""

import math
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple

import srsly


class LossLog:
    """A log file of rows, each with a `step`.

    path (Path): the file.
    is_written (bool): write the file. If False, rows are only kept in memory, as in all processes but the main one.
    """

    def __init__(self, path: Path, is_written: bool = True) -> None:
        self.path = path
        self.is_written = is_written
        self.rows: List[Dict[str, Any]] = []

    def start(self, step: int) -> None:
        """Drop the rows after a step and continue the log from there. Step 0 drops all rows."""
        self.rows = []
        if not self.is_written:
            return
        if step and self.path.is_file():
            lines = self.path.read_text(encoding="utf8").splitlines()
            # The last line may be cut off by a kill. It belongs to a later step.
            rows = map(_parse, lines)
            self.rows = [row for row in rows if row and row["step"] <= step]
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        temporary.write_text("".join(f"{srsly.json_dumps(row)}\n" for row in self.rows), encoding="utf8")
        os.replace(temporary, self.path)

    def write(self, row: Dict[str, Any]) -> None:
        """Add a row."""
        self.rows.append(row)
        if self.is_written:
            with self.path.open("a", encoding="utf8") as file:
                file.write(f"{srsly.json_dumps(row)}\n")

    @property
    def held_out(self) -> List[Tuple[int, float]]:
        """The number of steps and the mean held-out loss of each evaluation."""
        return [(row["step"], row["held_out_loss"]) for row in self.rows if "held_out_loss" in row]


def perplexity(loss: float) -> float:
    """Return e to the power of a mean loss, limited to the range of a float."""
    return math.exp(min(loss, 700.0))


def _parse(line: str) -> Dict[str, Any]:
    try:
        return dict(srsly.json_loads(line))
    except ValueError:
        return {}
