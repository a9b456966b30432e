import csv
import io

import pytest

from spacy_crossner.comparison.tables import (
    cost_rows,
    current_runs,
    curve_rows,
    legend,
    score_rows,
    significance,
    to_csv,
    to_markdown,
    type_rows,
)


def test_scores_have_means_deviations_and_stars(runs):
    rows = score_rows(runs)
    assert rows[0] == ("setting", "method", "ai, test", "ai, dev", "music, test", "music, dev")
    assert rows[1] == ["direct", "tagger", "52.0 ± 1.0", "51.0 ± 1.0", "", ""]
    assert rows[2] == ["no-dapt", "laner", "58.0 ± 1.0**", "57.0 ± 1.0", "60.0", "59.0"]
    # What papers say stands apart, and is said to be theirs.
    assert rows[3] == ("direct", "tagger, BERT, as published (Liu et al., 2021)", "50.4", "", "66.6", "")
    assert rows[4] == ("no-dapt", "laner, BERT, as published (Hu et al., 2022)", "61.7", "", "73.1", "")
    # The other way round there is nothing to star.
    assert score_rows(runs, baseline=("no-dapt", "laner"))[1][2] == "52.0 ± 1.0"


def test_significance_needs_the_same_seeds_and_sentences(make_run):
    better = [make_run("a", "b", 1, 0.5, right=4)]
    worse = [make_run("a", "c", 1, 0.4, right=2)]
    assert significance(better, worse) == "**"
    assert significance(worse, better) == significance(better, better) == ""
    assert significance(better, [make_run("a", "c", 2, 0.4, right=2)]) == ""
    assert significance(better, [make_run("a", "c", 1, 0.4)]) == ""


def test_significance_passes_over_seeds_of_another_test_set(make_run):
    better = [make_run("a", "b", seed, 0.5, right=4) for seed in (1, 2, 3)]
    worse = [make_run("a", "c", seed, 0.4, right=2) for seed in (1, 2, 3)]
    # One pair on fewer sentences, one whose runs do not fit together.
    for run in (better[0], worse[0], better[1]):
        run["counts"] = run["counts"][:-2]
    assert significance(better, worse) == "**"
    assert significance(better[1:2], worse[1:2]) == ""


def test_the_last_run_of_a_cell_is_in_the_tables(make_run):
    runs = [{**make_run("a", "b", seed, f), "key": f"{seed} {f}"} for f in (0.2, 0.4, 0.6) for seed in (1, 2)]
    assert [run["key"] for run in current_runs(runs)] == ["1 0.6", "2 0.6"]
    assert [run["key"] for run in current_runs(runs, {"1 0.2", "2 0.4", "1 0.4"})] == ["1 0.4", "2 0.4"]


def test_a_legend_tells_what_stars_mean(runs):
    assert legend(runs, ("no-dapt", "laner")).startswith("Better than no-dapt laner, the baseline: `*` p < 0.05, `**`")
    assert legend(runs, ("all", "laner")) == ""


def test_curves_are_over_sentences(runs, make_run):
    few = [make_run("direct", "crf", seed, 0.2 + n / 100, sentences=n) for n in (25, 10) for seed in (1, 2)]
    header, row = curve_rows(few)
    assert header == ("setting", "method", "domain", "10", "25")
    assert row == ("direct", "crf", "ai", "30.0 ± 0.0", "45.0 ± 0.0")
    assert curve_rows(runs) == []
    assert len(score_rows(few)) == 1


def test_types_are_a_row_each(runs):
    rows = type_rows(runs)
    assert rows[0] == ("domain", "type", "direct tagger", "no-dapt laner")
    assert rows[1] == ("ai", "a|b", "26.0 ± 0.5", "29.0 ± 0.5")
    assert rows[3] == ("music", "a|b", "", "30.0")


def test_costs_tell_what_seeds_share(runs):
    rows = cost_rows(runs)
    assert rows[1] == ("direct", "tagger", "ai", "120", "20", "900", "50")


@pytest.mark.parametrize("rows", [[], [("a", "b|c"), ("1", "2, 3")]])
def test_tables_are_markdown_and_csv(rows):
    text = to_markdown(rows)
    assert text == ("| a | b\\|c |\n| --- | --- |\n| 1 | 2, 3 |\n" if rows else "")
    assert [tuple(row) for row in csv.reader(io.StringIO(to_csv(rows)))] == rows
