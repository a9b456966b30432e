"""Runs of a grid in the tables of the README."""

import importlib.util
import json
from pathlib import Path

import pytest
import typer


def load(name):
    """Import a script of the benchmarks."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[2] / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


record, tables = load("record"), load("tables")


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps({"encoder": "small", "tables": {"old": {"head": "x", "columns": {}, "rows": []}}}))
    return path


def put(runs, results, **options):
    """Record runs under keys of their own."""
    path = results.with_name("runs.jsonl")
    path.write_text("".join(json.dumps({**run, "key": str(i)}) + "\n" for i, run in enumerate(runs)))
    record.main(
        path, "grid", results=results, **{"row": "`{method}`, {setting}, {domain}", "head": "MiniLM", **options}
    )
    return json.loads(results.read_text())


def test_a_grid_becomes_a_table(runs, results):
    found = put(runs, results)
    assert found["encoder"] == "small"
    assert list(found["tables"]) == ["old", "grid"]
    assert tables.table(found["tables"], "grid").splitlines() == [
        "| MiniLM | seeds | dev | test | test, calibrated |",
        "| --- | --- | --- | --- | --- |",
        "| `tagger`, direct, ai | 1, 2, 3 | 51.0 ± 1.0 | 52.0 ± 1.0 |  |",
        "| `laner`, no-dapt, ai | 1, 2, 3 | 57.0 ± 1.0 | 58.0 ± 1.0 |  |",
        "| `laner`, no-dapt, music | 1 | 59.0 | 60.0 |  |",
    ]
    assert found["tables"]["grid"]["rows"][0]["runs"][0]["test_f_place"] == 51.0
    # Of a workflow that calibrates the score is another one; what else is known of the seed stays.
    for run in runs[:2]:
        run["stages"]["calibrate-direct"] = {"seconds": 1.0, "megabytes": 1}
        run["test"]["f"] += 0.02
    first, second, _ = put(runs[:2], results)["tables"]["grid"]["rows"][0]["runs"]
    assert (first["test_f"], first["calibrated_f"]) == (51, 53)
    assert (second["test_f"], second["calibrated_f"]) == (52, 54)


def test_other_seeds_stay_and_the_same_are_replaced(runs, results, make_run):
    put(runs, results)
    rows = put([make_run("direct", "tagger", seed, f) for seed, f in ((4, 0.6), (2, 0.1))], results)["tables"]["grid"]
    assert [(run["seed"], run["test_f"]) for run in rows["rows"][0]["runs"]] == [(1, 51), (2, 10), (3, 53), (4, 60)]
    assert len(rows["rows"]) == 3


def test_two_runs_are_never_one(runs, results):
    before = results.read_text()
    with pytest.raises(typer.BadParameter, match=r"two runs with seed 1 .* '`laner`, no-dapt'"):
        put(runs, results, row="`{method}`, {setting}")
    runs[1]["variables"] = {"target_epochs": "2"}
    with pytest.raises(typer.BadParameter, match=r"row '`tagger`, direct, ai' differ in one of: encoder, variables"):
        put(runs, results)
    for row in ("{nothing}", "{method", "{}"):
        with pytest.raises(typer.BadParameter, match=r"nothing|Error"):
            put(runs[:1], results, row=row)
    assert results.read_text() == before


@pytest.mark.parametrize("table", [{"claims": []}, {"rows": [{"row": "x", "runs": "other/y"}]}])
def test_tables_without_runs_of_their_own_stay_as_they_are(runs, results, table):
    before = json.dumps({"tables": {"grid": table}})
    results.write_text(before)
    with pytest.raises(typer.BadParameter, match="no rows with runs"):
        put(runs, results)
    assert results.read_text() == before
