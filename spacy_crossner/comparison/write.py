"""The files that a grid leaves: tables of all its runs, and figures where matplotlib is installed."""

from pathlib import Path
from typing import List

from ..data.files import write_files
from ..errors import CrossnerError
from .curves import draw_curve, draw_types
from .run import Ledger
from .tables import cost_rows, curve_rows, score_rows, to_csv, to_markdown, type_rows

TITLES = {
    "scores": "Test and dev F1 in percent, strict, mean and deviation over seeds",
    "curve": "Test F1 over the number of labelled sentences",
    "types": "Test F1 by type",
    "cost": "Time and memory",
}


def write_tables(folder: Path) -> List[Path]:
    """Write the tables of the runs in a folder: each as CSV, and all of them in `tables.md`; and figures.

    folder (Path): where `runs.jsonl` is.
    RETURNS (List[Path]): the files.
    RAISES (DataError): a file cannot be written.
    """
    runs = list(Ledger(folder).runs.values())
    tables = {
        "scores": score_rows(runs),
        "curve": curve_rows(runs),
        "types": type_rows(runs),
        "cost": cost_rows(runs),
    }
    tables = {name: rows for name, rows in tables.items() if len(rows) > 1}
    text = "\n".join(f"## {TITLES[name]}\n\n{to_markdown(rows)}" for name, rows in tables.items())
    files = {folder / f"{name}.csv": to_csv(rows).encode("utf8") for name, rows in tables.items()}
    files[folder / "tables.md"] = text.encode("utf8")
    write_files(files)
    try:
        figures = [*draw_curve(runs, folder / "curve.png"), *draw_types(runs, folder / "types.png")]
    except CrossnerError:
        # The tables are there, and say it all.
        figures = []
    return [*files, *figures]
