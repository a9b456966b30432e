"""Add the runs of a grid to `benchmarks/results.json`, from which `tables.py` writes the result tables.

    python benchmarks/record.py metrics/compare/runs.jsonl TABLE [--row "{method}, {setting}"] [--head HEAD]

A page needs markers with the table's name, see `tables.py`. Runs of a row with other seeds, versions or devices are
kept. Each run has its cache key, date, device and versions, and the entity counts of each test sentence, from which
`tables.py` tests claims.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, FrozenSet, Iterable, List, Mapping, Sequence, Tuple

import typer

from spacy_crossner.comparison.conditions import conditions
from spacy_crossner.comparison.ledger import read_runs
from spacy_crossner.comparison.tables import latest_runs
from spacy_crossner.data.files import write_files

RESULTS = Path(__file__).parent / "results.json"
COLUMNS = {"seeds": "seeds", "dev": "dev_f", "test": "test_f", "test, calibrated": "calibrated_f"}
# Fields that have to be equal in all runs of a row that are added together.
COMMON = ("encoder", "variables", "data", "versions", "device")
# Where a run comes from.
ORIGIN = ("key", "date", "device", "versions")


def pack_counts(counts: Sequence[Sequence[int]]) -> str:
    """Return the entity counts of all sentences on one line, read by `tables.unpack_counts`."""
    return " ".join("/".join(map(str, row)) for row in counts)


def figures(run: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the fields of a run for a table, with scores in percent, and where the run comes from."""
    is_calibrated = any(name.startswith("calibrate") for name in run["stages"])
    name = "calibrated" if is_calibrated else "test"
    scores = {
        "dev_f": run["dev_f"],
        f"{name}_f": run["test"]["f"],
        **{f"test_f_{label}": f for label, f in run["test"]["per_type"].items() if not is_calibrated},
    }
    return {
        "seed": run["seed"],
        **{name: round(100 * f, 2) for name, f in scores.items() if f is not None},
        **({f"{name}_counts": pack_counts(run["counts"])} if run.get("counts") else {}),
        **{part: run[part] for part in ORIGIN if run.get(part)},
    }


def add_runs(table: Dict[str, Any], runs: Iterable[Mapping[str, Any]], row: str) -> None:
    """Add runs to the rows of a table by name. New rows go last.

    Runs replace old ones with the same seed, versions and device. Runs without a record of these are never replaced.

    RAISES (typer.BadParameter): two runs have the same row and seed, runs of a row have different data, variables,
        versions or devices, or the table has no rows with runs.
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
        runs_of_row = {_identity(old): old for old in rows[name]["runs"]}
        for run in map(figures, new):
            # A calibrated pipeline adds its scores to those of the same training.
            runs_of_row[_identity(run)] = {**runs_of_row.get(_identity(run), {}), **run}
        # Runs of the same conditions stand together by seed, the new ones last.
        latest = _identity(figures(new[-1]))[1]
        order = list(dict.fromkeys(group for _, group in runs_of_row))
        places = sorted(runs_of_row, key=lambda place: (place[1] == latest, order.index(place[1]), place[0]))
        rows[name]["runs"] = [runs_of_row[place] for place in places]


def _identity(run: Mapping[str, Any]) -> Tuple[int, FrozenSet[Tuple[str, str]]]:
    return run["seed"], frozenset(conditions(run).items())


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
