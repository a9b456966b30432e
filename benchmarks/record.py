"""Put the runs of a grid into `benchmarks/results.json`, from which `readme.py` fills the README's tables.

    python benchmarks/record.py metrics/compare/runs.jsonl TABLE [--row "{method}, {setting}"] [--head HEAD]

The README needs a place of that name, see `readme.py`. Runs of a row's other seeds stay.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, Mapping

import typer

from spacy_crossner.comparison.run import read_runs
from spacy_crossner.comparison.tables import current_runs
from spacy_crossner.data.files import write_files

RESULTS = Path(__file__).parent / "results.json"
COLUMNS = {"seeds": "seeds", "dev": "dev_f", "test, as the workflow packages it": "test_f"}


def figures(run: Mapping[str, Any]) -> Dict[str, Any]:
    """Return what a table shows of a run of the grid, in percent."""
    scores = {"dev_f": run["dev_f"], "test_f": run["test"]["f"], **run["test"]["per_type"]}
    return {"seed": run["seed"], **{name: round(100 * f, 2) for name, f in scores.items() if f is not None}}


def add_runs(table: Dict[str, Any], runs: Mapping[str, Mapping[str, Any]], row: str) -> None:
    """Add runs to a table, each to the row of its name, new rows last; a seed that is there gets the new figures.

    RAISES (typer.BadParameter): two runs would be one seed of a row.
    """
    seen = set()
    rows = {entry["row"]: entry for entry in table["rows"]}
    for run in current_runs(runs.values()):
        name = row.format(**run)
        if (name, run["seed"]) in seen:
            raise typer.BadParameter(f"two runs of seed {run['seed']} would be the row '{name}'", param_hint="--row")
        seen.add((name, run["seed"]))
        if name not in rows:
            rows[name] = {"row": name, "runs": []}
            table["rows"].append(rows[name])
        by_seed = {old["seed"]: old for old in rows[name]["runs"]}
        by_seed[run["seed"]] = figures(run)
        rows[name]["runs"] = [by_seed[seed] for seed in sorted(by_seed)]


def main(
    path: Annotated[Path, typer.Argument(help="runs.jsonl of a grid")],
    name: Annotated[str, typer.Argument(help="Table")],
    row: Annotated[
        str, typer.Option(help="Name of a run's row: {setting}, {method}, {domain}, {sentences}, {variant}")
    ] = "`{method}`, {setting}",
    head: Annotated[str, typer.Option(help="Head of the first column, for a new table")] = "",
    results: Annotated[Path, typer.Option(help="The file to write")] = RESULTS,
) -> None:
    """Put the runs of a grid into a table."""
    found = json.loads(results.read_text(encoding="utf8"))
    table = found["tables"].setdefault(name, {"head": head or name, "columns": COLUMNS, "rows": []})
    add_runs(table, read_runs(path), row)
    write_files({results: (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode("utf8")})


if __name__ == "__main__":
    typer.run(main)
