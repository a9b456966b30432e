"""Add the runs of a grid to `benchmarks/results.json`, from which `tables.py` writes the result tables.

    python benchmarks/record.py metrics/compare/runs.jsonl TABLE [--row "{method}, {setting}"] [--head HEAD]

A page needs markers with the table's name, see `tables.py`. Runs of a row with other seeds are kept.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, Iterable, List, Mapping

import typer

from spacy_crossner.comparison.ledger import read_runs
from spacy_crossner.comparison.tables import latest_runs
from spacy_crossner.data.files import write_files

RESULTS = Path(__file__).parent / "results.json"
COLUMNS = {"seeds": "seeds", "dev": "dev_f", "test": "test_f", "test, calibrated": "calibrated_f"}
# Fields that have to be equal in all runs of a row.
COMMON = ("encoder", "variables", "data")


def figures(run: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the fields of a run for a table, with scores in percent."""
    is_calibrated = any(name.startswith("calibrate") for name in run["stages"])
    scores = {
        "dev_f": run["dev_f"],
        "calibrated_f" if is_calibrated else "test_f": run["test"]["f"],
        **{f"test_f_{label}": f for label, f in run["test"]["per_type"].items() if not is_calibrated},
    }
    return {"seed": run["seed"], **{name: round(100 * f, 2) for name, f in scores.items() if f is not None}}


def add_runs(table: Dict[str, Any], runs: Iterable[Mapping[str, Any]], row: str) -> None:
    """Add runs to the rows of a table by name. New rows go last. Runs with an existing seed replace the old ones.

    RAISES (typer.BadParameter): two runs have the same row and seed, runs of a row have different data or variables, or
        the table has no rows with runs.
    """
    if "rows" not in table or any(isinstance(entry["runs"], str) for entry in table["rows"]):
        raise typer.BadParameter("the table has no rows with runs", param_hint="TABLE")
    rows = {entry["row"]: entry for entry in table["rows"]}
    found: Dict[str, List[Mapping[str, Any]]] = {}
    for run in latest_runs(runs):
        try:
            name = row.format(**run)
        except (KeyError, ValueError, IndexError) as error:
            raise typer.BadParameter(f"'{row}': {error!r}", param_hint="--row") from error
        for other in found.setdefault(name, []):
            if other["seed"] == run["seed"]:
                problem = f"two runs with seed {run['seed']} belong to the row '{name}'"
                raise typer.BadParameter(problem, param_hint="--row")
            if any(other.get(part) != run.get(part) for part in COMMON):
                problem = f"runs of the row '{name}' differ in one of: {', '.join(COMMON)}"
                raise typer.BadParameter(problem, param_hint="--row")
        found[name].append(run)
    for name, new in found.items():
        if name not in rows:
            rows[name] = {"row": name, "runs": []}
            table["rows"].append(rows[name])
        by_seed = {old["seed"]: old for old in rows[name]["runs"]}
        by_seed.update((run["seed"], {**by_seed.get(run["seed"], {}), **figures(run)}) for run in new)
        rows[name]["runs"] = [by_seed[seed] for seed in sorted(by_seed)]


def main(
    path: Annotated[Path, typer.Argument(help="The runs.jsonl of a grid")],
    name: Annotated[str, typer.Argument(help="Table")],
    row: Annotated[
        str,
        typer.Option(help="Row name of a run, with the fields {setting}, {method}, {domain}, {sentences}, {variant}"),
    ] = "`{method}`, {setting}",
    head: Annotated[str, typer.Option(help="Heading of the first column, for a new table")] = "",
    results: Annotated[Path, typer.Option(help="File to update")] = RESULTS,
) -> None:
    """Add the runs of a grid to a table."""
    found = json.loads(results.read_text(encoding="utf8"))
    table = found["tables"].setdefault(name, {"head": head or name, "columns": COLUMNS, "rows": []})
    add_runs(table, read_runs(path).values(), row)
    write_files({results: (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode("utf8")})


if __name__ == "__main__":
    typer.run(main)
