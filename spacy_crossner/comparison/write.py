"""The files that a grid leaves: tables of its runs as the project is now, and figures where matplotlib is installed."""

import re
import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from ..data.files import write_files
from ..data.stats import stats
from ..errors import CrossnerError, Warnings
from .curves import draw_curve, draw_overlap, draw_types
from .grid import current_keys
from .grid_run import GridRun
from .keys import step_key
from .ledger import Ledger
from .project import grid_run_steps, project_variables
from .tables import (
    Run,
    cost_rows,
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
AXES = {"target_sentences": "labelled sentences of the target"}
VARIANTS_LEGEND = (
    "Difference: of the mean to the project as it is; `*` p < 0.05, `**` p < 0.01 (paired bootstrap test over "
    "sentences, two-sided).\n"
)
# What is left of an earlier time is of other runs.
LEFT = re.compile(r"(scores|variants|types|cost|curve|overlap|curve-.*)\.(csv|png|svg)")


def write_tables(
    folder: Path,
    project: Path,
    grid_runs: Sequence[GridRun] = (),
    *,
    variables: Optional[Mapping[str, Any]] = None,
    baseline: Optional[Tuple[str, str]] = None,
) -> List[Path]:
    """Write the tables of the runs in a folder: each as CSV, and all of them in `tables.md`; and figures.

    Runs with other data, commands or variables than the project has now are left out.

    folder (Path): where `runs.jsonl` is.
    project (Path): the folder of project.yml.
    grid_runs (Sequence[GridRun]): runs that have a place in them beside those that runs were made for.
    variables (Optional[Mapping[str, Any]]): variables of the project for all runs.
    baseline (Optional[Tuple[str, str]]): setting and method that the others are compared with; the first if not given.
    RETURNS (List[Path]): the files.
    RAISES (DataError): a file cannot be written.
    """
    variables = variables or {}
    ledger = Ledger(folder)
    current = current_keys(project, [*ledger.grid_runs, *grid_runs], variables)
    # What the same commands have made for another run, as for a variant that is now the project as it is, is the same.
    runs: List[Run] = [
        {**ledger.runs[key], **asdict(grid_run)} for grid_run, key in current.items() if key in ledger.runs
    ]
    curves = find_curves(runs, project_variables(project, variables))
    if baseline is None and runs:
        baseline = (runs[0]["setting"], runs[0]["method"])
    tables = {
        "scores": score_rows(runs, baseline),
        "variants": variant_rows(runs),
        **{_file(name): curve_rows(curve) for name, curve in curves.items()},
        "types": type_rows(runs),
        "cost": cost_rows(runs),
    }
    tables = {name: rows for name, rows in tables.items() if len(rows) > 1}
    titles = {**TITLES, **{_file(name): f"Test F1 over {AXES.get(name, name)}" for name in curves}}
    below = {"scores": legend(runs, baseline) if baseline else "", "variants": VARIANTS_LEGEND}
    sections = [(f"## {titles[name]}\n", to_markdown(rows), below.get(name, "")) for name, rows in tables.items()]
    text = "\n".join(block for section in sections for block in section if block)
    files = {folder / f"{name}.csv": to_csv(rows).encode("utf8") for name, rows in tables.items()}
    files[folder / "tables.md"] = text.encode("utf8")
    write_files(files)
    figures: List[Callable[[], Sequence[Path]]] = [partial(draw_types, runs, folder / "types.png")]
    for name, curve in curves.items():
        figures.append(partial(draw_curve, curve, folder / f"{_file(name)}.png", AXES.get(name, name)))
    figures.append(partial(_draw_overlap, project, ledger, current, variables, folder / "overlap.png"))
    written = [*files]
    try:
        for draw in figures:
            written += draw()
    except (CrossnerError, OSError) as error:
        # The tables are there, and say it all.
        warnings.warn(Warnings.W003.format(problem=error), stacklevel=2)
    for path in folder.iterdir():
        if LEFT.fullmatch(path.name) and path not in written and path.is_file():
            path.unlink()
    return written


def _file(variable: str) -> str:
    """Return the name of the files of a curve."""
    return "curve-" + re.sub(r"[^\w.-]", "_", variable)


def _draw_overlap(
    project: Path, ledger: Ledger, grid_runs: Iterable[GridRun], variables: Mapping[str, Any], path: Path
) -> Sequence[Path]:
    """Draw how far the train sets of source and targets overlap, as far as they lie converted as the project is now."""
    source = project_variables(project, variables).get("source")
    sets: Dict[Path, None] = {}
    for grid_run in grid_runs:
        for step in [] if grid_run.variant else grid_run_steps(project, grid_run, variables):
            new = [
                project / output / "train.spacy"
                for output in step.outputs
                if output in (f"corpus/{grid_run.domain}", f"corpus/{source}")
            ]
            new = [train for train in new if train not in sets and train.is_file()]
            if new and ledger.find_stage(step, project, step_key(project, step)) is not None:
                sets.update(dict.fromkeys(new))
    return draw_overlap(stats(list(sets)).overlap, path) if len(sets) > 1 else []
