"""What is known of finished runs and stages, in files that a kill may have damaged."""

import pytest

from spacy_crossner.comparison.grid_run import make_grid
from spacy_crossner.comparison.ledger import RUNS, Ledger
from spacy_crossner.comparison.run import run_grid

GRID = make_grid(["two"], ["crf", "laner"], ["ai"], [1, 2])
SEEDS = make_grid(["two"], ["crf"], ["ai"], [1, 2, 3])


def test_what_is_no_run_is_passed_over(project):
    list(run_grid(project, GRID, project / "c"))
    text = (project / "c" / RUNS).read_text()
    # A kill may cut the last line.
    (project / "c" / RUNS).write_text(text[:-20])
    assert len(Ledger(project / "c").runs) == 3
    (project / "c" / RUNS).write_bytes(text.encode() + b'12\nnull\n{"a": 1}\n\xff\n')
    assert len(Ledger(project / "c").runs) == 4
    assert b"\xff\n" in (project / "c" / RUNS).read_bytes()
    # U+2028 ends a line elsewhere.
    ledger = Ledger(project / "c")
    run = next(iter(ledger.runs.values()))
    ledger.add_runs({**run, "key": "new", "test": {**run["test"], "per_type": {"a\u2028b\x85c": 1.0}}})
    assert Ledger(project / "c").runs == ledger.runs


@pytest.mark.parametrize("content", [b'{"out/crf/source": {"key', b"[1]", b'{"out/crf/source": 3}', b"\xff"])
def test_without_notes_of_stages_they_are_made_anew(project, content, counted):
    list(run_grid(project, GRID[:1], project / "c"))
    counted(project)
    (project / "c" / "stages.json").write_bytes(content)
    list(run_grid(project, SEEDS[:2], project / "c"))
    assert counted(project) == ["source-crf", "target-2-0", "score"]


def test_runs_of_another_grid_are_taken_over(project, counted):
    list(run_grid(project, SEEDS[:2], project / "c"))
    # As it was written before there were variants.
    path = project / "c" / RUNS
    path.write_text(path.read_text().replace(', "variant": ""', ""))
    assert '"variant"' not in path.read_text()
    counted(project)
    (project / "none.jsonl").write_text('{"key": ["a"], "test": 3}\n{"key": "a"}\n')
    states = list(run_grid(project, SEEDS[1:], project / "d", known=[project / "none.jsonl", path]))
    assert [(state.grid_run.seed, state.is_known) for state in states] == [(2, True), (3, False)]
    # A run that is not in this grid stays where it is.
    assert [run["seed"] for run in Ledger(project / "d").runs.values()] == [2, 3]
    assert all(state.is_known for state in run_grid(project, SEEDS[1:], project / "d"))
    # Its stages are not noted in the other folder.
    assert counted(project) == ["source-crf", "target-3-0", "score"]
