"""Write the result tables of the README and the docs from the runs in `benchmarks/results.json`.

    python benchmarks/tables.py [--check]

A table is placed between `<!-- results: NAME -->` and `<!-- end -->` on one of the pages. Its rows are under "tables"
in `results.json`.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Annotated, Any, Dict, List, Mapping

import typer

from spacy_crossner.comparison.tables import to_markdown

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"(<!-- results: (?P<name>[\w-]+) -->\n).*?(?=<!-- end -->)", re.S)

Tables = Mapping[str, Mapping[str, Any]]


def find_runs(tables: Tables, row: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the runs of a row, which may refer to a row of another table as `table/row`."""
    runs = row["runs"]
    if not isinstance(runs, str):
        return list(runs)
    table, _, name = runs.partition("/")
    return find_runs(tables, next(other for other in tables[table]["rows"] if other["row"] == name))


def cell(key: str, runs: List[Dict[str, Any]]) -> str:
    """Return the mean of a score, with standard deviation if several runs have it; for "seeds", return the seeds."""
    values = [run[key] for run in runs if key in run]
    if key == "seeds":
        return ", ".join(str(run["seed"]) for run in runs)
    if not values:
        return ""
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def verdict(tables: Tables, claim: Mapping[str, Any]) -> List[str]:
    """Return the mean gain of one side of a claim over common seeds, and whether the claim holds."""
    if "better" not in claim:
        return ["not measured", claim["why"]]
    better, than = (
        {run["seed"]: run for run in find_runs(tables, {"runs": claim[side]})} for side in ("better", "than")
    )
    key, other = claim["on"], claim.get("than_on", claim["on"])
    seeds = [seed for seed, run in better.items() if key in run and other in than.get(seed, {})]
    gains = [better[seed][key] - than[seed][other] for seed in seeds]
    gain = statistics.mean(gains)
    holds = "holds" if min(gains) > 0 else "does not hold" if gain <= 0 else "not in every seed"
    if holds == "holds" and len(gains) == 1:
        holds = "holds in one seed"
    seed_names = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    return [f"{gain:+.1f} ({seed_names})", holds]


def table(tables: Tables, name: str) -> str:
    """Return one table as Markdown."""
    found = tables[name]
    if "claims" in found:
        claims = [[claim["row"], claim["paper"], *verdict(tables, claim)] for claim in found["claims"]]
        return to_markdown([[found["head"], "paper", "here", "verdict"], *claims])
    rows = [[found["head"], *found["columns"]]]
    for row in found["rows"]:
        runs = find_runs(tables, row)
        fixed = row.get("cells", {})
        rows.append([row["row"], *(fixed.get(head, cell(key, runs)) for head, key in found["columns"].items())])
    return to_markdown(rows)


def read_tables() -> Tables:
    """Return the tables of `results.json` by name."""
    tables: Tables = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf8"))["tables"]
    return tables


def pages() -> List[Path]:
    """Return the pages that may hold a table: the README and all pages of the docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fill(text: str, tables: Tables) -> str:
    """Return a page with all tables updated from the runs."""
    return PLACE.sub(lambda place: place[1] + table(tables, place["name"]), text)


def main(
    check: Annotated[bool, typer.Option("--check", help="Only check whether the tables are up to date")] = False,
) -> None:
    """Write the tables into the pages."""
    tables = read_tables()
    for page in pages():
        text = page.read_text(encoding="utf8")
        filled = fill(text, tables)
        if filled == text:
            continue
        typer.echo(f"{page.relative_to(ROOT)}: tables {'differ from the runs' if check else 'written'}")
        if check:
            raise typer.Exit(1)
        page.write_text(filled, encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
