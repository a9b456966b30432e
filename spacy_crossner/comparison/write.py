"""The files that a grid leaves: tables of all its runs, and figures where matplotlib is installed."""

import warnings
from pathlib import Path
from typing import Any, List, Mapping, Optional, Tuple

from ..data.files import write_files
from ..errors import CrossnerError, Warnings
from .curves import draw_curve, draw_types
from .grid import current_keys
from .run import Ledger
from .tables import cost_rows, current_runs, curve_rows, legend, score_rows, to_csv, to_markdown, type_rows

TITLES = {
    "scores": "Test and dev F1 in percent, strict, mean and deviation over seeds",
    "curve": "Test F1 over the number of labelled sentences",
    "types": "Test F1 by type",
    "cost": "Time and memory",
}


def write_tables(
    folder: Path,
    project: Optional[Path] = None,
    *,
    variables: Optional[Mapping[str, Any]] = None,
    baseline: Optional[Tuple[str, str]] = None,
) -> List[Path]:
    """Write the tables of the runs in a folder: each as CSV, and all of them in `tables.md`; and figures.

    folder (Path): where `runs.jsonl` is.
    project (Optional[Path]): the folder of project.yml: runs with other data, commands or variables than it has now
        are left out. If not given, the latest run of each cell is taken.
    variables (Optional[Mapping[str, Any]]): variables of the project for all cells.
    baseline (Optional[Tuple[str, str]]): setting and method that the others are compared with; the first if not given.
    RETURNS (List[Path]): the files.
    RAISES (DataError): a file cannot be written.
    """
    ledger = Ledger(folder)
    keys = None if project is None else current_keys(project, ledger.cells, variables or {})
    runs = current_runs(ledger.runs.values(), keys)
    if baseline is None and runs:
        baseline = (runs[0]["setting"], runs[0]["method"])
    tables = {
        "scores": score_rows(runs, baseline),
        "curve": curve_rows(runs),
        "types": type_rows(runs),
        "cost": cost_rows(runs),
    }
    tables = {name: rows for name, rows in tables.items() if len(rows) > 1}
    below = {"scores": legend(runs, baseline) if baseline else ""}
    parts = [(f"## {TITLES[name]}\n", to_markdown(rows), below.get(name, "")) for name, rows in tables.items()]
    text = "\n".join(part for table in parts for part in table if part)
    files = {folder / f"{name}.csv": to_csv(rows).encode("utf8") for name, rows in tables.items()}
    files[folder / "tables.md"] = text.encode("utf8")
    write_files(files)
    try:
        figures = [*draw_curve(runs, folder / "curve.png"), *draw_types(runs, folder / "types.png")]
    except CrossnerError as error:
        # The tables are there, and say it all.
        warnings.warn(Warnings.W003.format(problem=error), stacklevel=2)
        figures = []
    return [*files, *figures]
