"""The output files of a grid: tables of its current runs, and plots if matplotlib is installed."""

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
    STARS,
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
    "scores": "Strict test and dev F1 in percent, mean and standard deviation over seeds",
    "variants": "Variants: test and dev F1 with another value of a project variable",
    "types": "Test F1 by type",
    "cost": "Time and memory",
}
AXES = {"target_sentences": "labelled target sentences"}
VARIANTS_LEGEND = f"Difference: mean difference to the unchanged project; {STARS}, two-sided.\n"
# Files of earlier calls, which show other runs.
LEFT = re.compile(r"(scores|variants|types|cost|curve|overlap|curve-.*)\.(csv|png|svg)")


def write_tables(
    folder: Path,
    project: Path,
    grid_runs: Sequence[GridRun] = (),
    *,
    variables: Optional[Mapping[str, Any]] = None,
    baseline: Optional[Tuple[str, str]] = None,
) -> List[Path]:
    """Write the tables of the runs in a folder, each as CSV and all of them in `tables.md`, and plots.

    Runs whose data, commands or variables differ from the current project are left out.

    folder (Path): the folder with `runs.jsonl`.
    project (Path): the folder with project.yml.
    grid_runs (Sequence[GridRun]): further runs to show, if the ledger has a result for the same commands.
    variables (Optional[Mapping[str, Any]]): project variables for all runs.
    baseline (Optional[Tuple[str, str]]): setting and method of the baseline; those of the first run if not given.
    RETURNS (List[Path]): the written files.
    RAISES (DataError): a file cannot be written.
    """
    variables = variables or {}
    ledger = Ledger(folder)
    current = current_keys(project, [*ledger.grid_runs, *grid_runs], variables)
    # A run may reuse the result of another run with the same commands, such as a variant that is now the default.
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
        # The tables are complete without the plots.
        warnings.warn(Warnings.W003.format(problem=error), stacklevel=2)
    for path in folder.iterdir():
        if LEFT.fullmatch(path.name) and path not in written and path.is_file():
            path.unlink()
    return written


def _file(variable: str) -> str:
    """Return the file name of a curve, without suffix."""
    return "curve-" + re.sub(r"[^\w.-]", "_", variable)


def _draw_overlap(
    project: Path, ledger: Ledger, grid_runs: Iterable[GridRun], variables: Mapping[str, Any], path: Path
) -> Sequence[Path]:
    """Plot the vocabulary overlap of the source and target train sets that are converted and up to date."""
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
