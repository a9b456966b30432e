"""The files that a grid leaves: tables of all its runs, and figures where matplotlib is installed."""

import warnings
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Tuple

from ..data.files import write_files
from ..data.stats import stats
from ..errors import CrossnerError, Warnings
from .curves import draw_curve, draw_overlap, draw_types
from .grid import current_keys, project_variables
from .run import Ledger
from .tables import (
    cost_rows,
    current_runs,
    curve_rows,
    find_curves,
    legend,
    score_rows,
    to_csv,
    to_markdown,
    type_rows,
    variant_rows,
)

TITLES = {
    "scores": "Test and dev F1 in percent, strict, mean and deviation over seeds",
    "variants": "Variants: the project with another value of a variable, test and dev F1",
    "types": "Test F1 by type",
    "cost": "Time and memory",
}
AXES = {"sentences": "labelled sentences of the target"}


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
    defaults = {**(project_variables(project) if project else {}), **(variables or {})}
    curves = find_curves(runs, defaults)
    if baseline is None and runs:
        baseline = (runs[0]["setting"], runs[0]["method"])
    tables = {
        "scores": score_rows(runs, baseline),
        "variants": variant_rows(runs),
        **{f"curve-{name}": curve_rows(curve) for name, curve in curves.items()},
        "types": type_rows(runs),
        "cost": cost_rows(runs),
    }
    tables = {name: rows for name, rows in tables.items() if len(rows) > 1}
    below = {"scores": legend(runs, baseline) if baseline else ""}
    titles = {**TITLES, **{f"curve-{name}": f"Test F1 over {AXES.get(name, name)}" for name in curves}}
    parts = [(f"## {titles[name]}\n", to_markdown(rows), below.get(name, "")) for name, rows in tables.items()]
    text = "\n".join(part for table in parts for part in table if part)
    files = {folder / f"{name}.csv": to_csv(rows).encode("utf8") for name, rows in tables.items()}
    files[folder / "tables.md"] = text.encode("utf8")
    write_files(files)
    try:
        figures = [*draw_types(runs, folder / "types.png")]
        for name, curve in curves.items():
            figures += draw_curve(curve, folder / f"curve-{name}.png", AXES.get(name, name))
        sets = _train_sets(project, [str(defaults.get("source")), *(run["domain"] for run in runs)]) if project else []
        if len(sets) > 1:
            figures += draw_overlap(stats(sets).overlap, folder / "overlap.png")
    except CrossnerError as error:
        # The tables are there, and say it all.
        warnings.warn(Warnings.W003.format(problem=error), stacklevel=2)
        figures = []
    return [*files, *figures]


def _train_sets(project: Path, domains: Sequence[str]) -> List[Path]:
    """Return the train sets of domains, as `project.yml` has them converted."""
    paths = (project / "corpus" / domain / "train.spacy" for domain in dict.fromkeys(domains))
    return [path for path in paths if path.is_file()]
