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


def origin(**settings):
    return {"versions": {"torch": "2.13.0"}, "device": "cpu", "date": "2026-11-28T01:00:00+00:00", **settings}


def test_a_run_has_its_key_versions_device_date_and_counts(make_run, results):
    ((run,),) = (
        row["runs"]
        for row in put([{**make_run("a", "b", 1, 0.5, right=4), **origin()}], results)["tables"]["grid"]["rows"]
    )
    assert {name: run[name] for name in ("key", *origin())} == {"key": "0", **origin()}
    assert tables.unpack_counts(run["test_counts"]).tolist() == make_run("a", "b", 1, 0.5, right=4)["counts"]


def test_runs_of_other_conditions_are_rows_of_their_own(make_run, results):
    old = [make_run("a", "b", seed, 0.3) for seed in (1, 2)]
    put(old, results)
    put([{**make_run("a", "b", seed, 0.4), **origin(device="NVIDIA H100")} for seed in (1, 2)], results)
    found = put([{**make_run("a", "b", seed, 0.5), **origin()} for seed in (1, 3)], results)["tables"]
    assert len(found["grid"]["rows"]) == 1
    assert [line.split("|")[1:5] for line in tables.table(found, "grid").splitlines()[2:]] == [
        [" `b`, a, ai (device unknown, torch unknown) ", " 1, 2 ", " 29.0 ± 0.0 ", " 30.0 ± 0.0 "],
        [" `b`, a, ai (device NVIDIA H100) ", " 1, 2 ", " 39.0 ± 0.0 ", " 40.0 ± 0.0 "],
        [" `b`, a, ai ", " 1, 3 ", " 49.0 ± 0.0 ", " 50.0 ± 0.0 "],
    ]
    # The same seed under the same conditions is replaced; that without a record stays.
    found = put([{**make_run("a", "b", 1, 0.6), **origin()}], results)["tables"]
    assert [run["test_f"] for run in found["grid"]["rows"][0]["runs"]] == [30, 30, 40, 40, 60, 50]


def claim_table(better, than, **claim):
    rows = [{"row": "new", "runs": better}, {"row": "old", "runs": than}]
    claims = [{"row": "gain", "paper": "+1", "better": "grid/new", "than": "grid/old", "on": "test_f", **claim}]
    return {"grid": {"head": "x", "columns": {}, "rows": rows}, "claims": {"head": "claim", "claims": claims}}


def by_seed(*scores, **more):
    return [{"seed": seed, "test_f": f, **more} for seed, f in enumerate(scores, 1)]


def verdict(better, than, **claim):
    """Return the three cells of a claim."""
    found = claim_table(better, than, **claim)
    (cells,) = tables.verdicts(found, found["claims"]["claims"])
    return cells


def test_a_claim_without_counts_has_a_paired_t_test():
    # By hand: gains 1, 2, 3 have mean 2 and standard error 1 / sqrt(3); P(|t(2)| > 3.46) = 0.074.
    assert verdict(by_seed(11, 12, 13), by_seed(10, 10, 10)) == [
        "+2.0 (seeds 1, 2, 3)",
        "t(2) = 3.5, p = 0.074; corrected 0.07",
        "not shown",
    ]
    assert verdict(by_seed(11, 11.1, 11.2), by_seed(10, 10, 10))[2] == "holds"
    assert verdict(by_seed(9, 8.9, 8.8), by_seed(10, 10, 10))[2] == "reversed"
    assert verdict(by_seed(11), by_seed(10)) == ["+1.0 (seed 1)", "one seed: no test", "not shown"]
    assert verdict(by_seed(11), [{"seed": 2, "test_f": 1}])[0] == "not measured"


def test_a_claim_with_counts_has_a_test_over_seeds_and_sentences():
    def runs(*right):
        return [
            {"seed": seed, "test_f": 10.0 * n, "test_counts": record.pack_counts([[n, 4, 4]] * 100)}
            for seed, n in enumerate(right)
        ]

    here, test, shown = verdict(runs(3, 3, 3), runs(1, 1, 1))
    assert (here, shown) == ("+20.0 (seeds 0, 1, 2)", "holds")
    assert test.startswith("bootstrap, p = 0.000")
    assert verdict(runs(3, 3, 1), runs(1, 1, 3))[2] == "not shown"
    # One side without counts: only seeds can be tested.
    assert verdict(runs(3, 3), [{"seed": i, "test_f": 10.0} for i in (0, 1)])[1].startswith("t(1)")


def test_claims_are_corrected_for_their_number():
    found = claim_table(by_seed(11, 11.4, 11.2), by_seed(10, 10, 10))
    (claim,) = found["claims"]["claims"]
    assert tables.verdicts(found, [claim])[0][1:] == ["t(2) = 10.4, p = 0.009; corrected 0.01", "holds"]
    many = tables.verdicts(found, [claim] * 6)
    assert many == [["+1.2 (seeds 1, 2, 3)", "t(2) = 10.4, p = 0.009; corrected 0.05", "not shown"]] * 6
    # Claims that cannot be tested do not count.
    untested = {"row": "x", "paper": "", "why": "no data"}
    assert tables.verdicts(found, [claim, *[untested] * 9])[0][2] == "holds"
    assert tables.verdicts(found, [untested]) == [["not measured", "", "no data"]]


def test_a_claim_takes_runs_of_the_same_conditions_alone():
    old, new = by_seed(20, 20), by_seed(11, 11.4, **origin())
    assert verdict([*old, *new], [*by_seed(5, 5), *by_seed(10, 10, **origin())])[0] == "+1.2 (seeds 1, 2)"
    assert verdict(old, by_seed(10, 10, **origin()))[0] == "not measured"


@pytest.mark.parametrize("table", [{"claims": []}, {"rows": [{"row": "x", "runs": "other/y"}]}])
def test_tables_without_runs_of_their_own_stay_as_they_are(runs, results, table):
    before = json.dumps({"tables": {"grid": table}})
    results.write_text(before)
    with pytest.raises(typer.BadParameter, match="no rows with runs"):
        put(runs, results)
    assert results.read_text() == before
