"""Write the result tables of the README and the docs from the runs in `benchmarks/results.json`.

    python benchmarks/tables.py [--check]

A table is placed between `<!-- results: NAME -->` and `<!-- end -->` on one of the pages. Its rows are under "tables"
in `results.json`.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Annotated, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import typer
from numpy.typing import NDArray

from spacy_crossner.comparison.conditions import conditions, differing_conditions
from spacy_crossner.comparison.tables import to_markdown
from spacy_crossner.evaluation.bootstrap import paired_bootstrap
from spacy_crossner.evaluation.significance import holm, paired_t_test

ROOT = Path(__file__).parents[1]
PLACE = re.compile(r"(<!-- results: (?P<name>[\w-]+) -->\n).*?(?=<!-- end -->)", re.S)

# The level of significance of all claims together.
LEVEL = 0.05

Tables = Mapping[str, Mapping[str, Any]]
# Runs of the two sides of a claim with the same seed.
Pairs = List[Tuple[Dict[str, Any], Dict[str, Any]]]


class Test(NamedTuple):
    """The test of a claim.

    p_value (float): the two-sided p-value, not corrected.
    name (str): the test, for the table.
    """

    p_value: float
    name: str


def find_runs(tables: Tables, row: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the runs of a row, which may refer to a row of another table as `table/row`."""
    runs = row["runs"]
    if not isinstance(runs, str):
        return list(runs)
    table, _, name = runs.partition("/")
    return find_runs(tables, next(other for other in tables[table]["rows"] if other["row"] == name))


def cell(key: str, runs: List[Dict[str, Any]]) -> str:
    """Return the mean of a score, with standard deviation if several runs have it; for "seeds", return the seeds.

    Test F1 of a row without runs is "not measured".
    """
    values = [run[key] for run in runs if key in run]
    if key == "seeds":
        return ", ".join(str(run["seed"]) for run in runs)
    if not values:
        return "" if runs or key != "test_f" else "not measured"
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def split_runs(runs: List[Dict[str, Any]]) -> Dict[str, List[Dict[str, Any]]]:
    """Return the runs by their conditions: device and versions that differ from those of the last run.

    Figures of other conditions are never averaged. Runs without a record of them are a group of their own.
    """
    groups: Dict[str, List[Dict[str, Any]]] = {}
    for name, run in zip(differing_conditions(runs), runs, strict=True):
        groups.setdefault(name, []).append(run)
    return groups


def unpack_counts(text: str) -> NDArray[np.int64]:
    """Return the numbers of right, predicted and gold entities of all sentences, shape (n_sentences, 3)."""
    return np.array([[int(n) for n in row.split("/")] for row in text.split()], dtype=np.int64)


def find_pairs(tables: Tables, claim: Mapping[str, Any]) -> Pairs:
    """Return the runs of both sides of a claim that have the same seed, versions and device, as pairs.

    Of several groups of versions and devices the last one with a pair is taken.
    """
    sides = [find_runs(tables, {"runs": claim[side]}) for side in ("better", "than")]
    keys = claim["on"], claim.get("than_on", claim["on"])
    better, than = ([run for run in side if key in run] for side, key in zip(sides, keys, strict=True))
    pairs = [
        (run, other)
        for run in better
        for other in than
        if run["seed"] == other["seed"] and conditions(run) == conditions(other)
    ]
    return [pair for pair in pairs if conditions(pair[0]) == conditions(pairs[-1][0])]


def test_claim(claim: Mapping[str, Any], pairs: Pairs) -> Optional[Test]:
    """Test a claim over seeds and sentences, or over seeds alone where sentences were not recorded.

    RETURNS (Optional[Test]): the two-sided p-value and the name of the test; None with fewer than two seeds.
    """
    if len(pairs) < 2:
        return None
    keys = claim["on"], claim.get("than_on", claim["on"])
    names = [f"{key.removesuffix('_f')}_counts" for key in keys]
    if all(name in run for pair in pairs for name, run in zip(names, pair, strict=True)):
        counts = [np.stack([unpack_counts(pair[side][names[side]]) for pair in pairs]) for side in (0, 1)]
        return Test(paired_bootstrap(*counts)["p_two_sided"], "bootstrap")
    found = paired_t_test([better[keys[0]] - than[keys[1]] for better, than in pairs])
    return Test(found.p_two_sided, f"t({found.freedom}) = {found.t:.1f}")


def verdicts(tables: Tables, claims: Sequence[Mapping[str, Any]]) -> List[List[str]]:
    """Return the cells of each claim: the mean gain over common seeds, the test, and the verdict.

    A claim holds, or is reversed, if its two-sided p-value is below 0.05 after Holm's correction for the number of
    claims that could be tested. All other claims are not shown.
    """
    pairs = {i: find_pairs(tables, claim) for i, claim in enumerate(claims) if "better" in claim}
    tests = {i: test for i, found in pairs.items() if (test := test_claim(claims[i], found))}
    corrected = holm({i: test.p_value for i, test in tests.items()})
    rows = []
    for i, claim in enumerate(claims):
        if not pairs.get(i):
            rows.append(["not measured", "", claim.get("why", "")])
            continue
        key, other = claim["on"], claim.get("than_on", claim["on"])
        gain = statistics.mean(better[key] - than[other] for better, than in pairs[i])
        seeds = [str(better["seed"]) for better, _ in pairs[i]]
        here = f"{gain:+.1f} (seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)})"
        if i not in tests:
            rows.append([here, "one seed: no test", "not shown"])
            continue
        shown = ("holds" if gain > 0 else "reversed") if corrected[i] < LEVEL else "not shown"
        rows.append([here, f"{tests[i].name}, p = {tests[i].p_value:.3f}; corrected {corrected[i]:.2f}", shown])
    return rows


def table(tables: Tables, name: str) -> str:
    """Return one table as Markdown."""
    found = tables[name]
    if "claims" in found:
        claims = found["claims"]
        cells = verdicts(tables, claims)
        rows = [[claim["row"], claim["paper"], *more] for claim, more in zip(claims, cells, strict=True)]
        return to_markdown([[found["head"], "paper", "here", "test", "verdict"], *rows])
    rows = [[found["head"], *found["columns"]]]
    for row in found["rows"]:
        fixed = row.get("cells", {})
        for name_of_group, runs in (split_runs(find_runs(tables, row)) or {"": []}).items():
            name_of_row = f"{row['row']} ({name_of_group})" if name_of_group else row["row"]
            values = {head: fixed.get(head, cell(key, runs)) for head, key in found["columns"].items()}
            rows.append([name_of_row, *values.values()])
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
