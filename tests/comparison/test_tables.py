import csv
import io

import pytest

from spacy_crossner.comparison.tables import (
    cost_rows,
    curve_rows,
    score_rows,
    significance,
    to_csv,
    to_markdown,
    type_rows,
)


def make_run(setting, method, seed, f, *, domain="ai", sentences=0, right=None, source_seconds=100.0):
    return {
        "setting": setting,
        "method": method,
        "domain": domain,
        "seed": seed,
        "sentences": sentences,
        "test": {"f": f, "per_type": {"place": f, "a|b": f / 2}, "words_per_second": 50.0},
        "dev_f": f - 0.01,
        "counts": None if right is None else [[right, 4, 4], [right - 1, 4, 4]] * 40,
        "stages": {
            "source": {"seconds": source_seconds, "megabytes": 900},
            "target": {"seconds": 10.0 * seed, "megabytes": 700},
        },
    }


RUNS = [
    *(make_run("direct", "tagger", seed, 0.50 + seed / 100, right=2) for seed in (1, 2, 3)),
    *(make_run("no-dapt", "laner", seed, 0.56 + seed / 100, right=4) for seed in (1, 2, 3)),
    make_run("no-dapt", "laner", 1, 0.6, domain="music"),
]


def test_scores_have_means_deviations_and_stars():
    rows = score_rows(RUNS)
    assert rows[0] == ("setting", "method", "ai, test", "ai, dev", "music, test", "music, dev")
    assert rows[1] == ["direct", "tagger", "52.0 ± 1.0", "51.0 ± 1.0", "", ""]
    assert rows[2] == ["no-dapt", "laner", "58.0 ± 1.0**", "57.0 ± 1.0", "60.0", "59.0"]
    # What papers say stands apart, and is said to be theirs.
    assert rows[3] == ("direct", "tagger, BERT, as published (Liu et al., 2021)", "50.4", "", "66.6", "")
    assert rows[4] == ("no-dapt", "laner, BERT, as published (Hu et al., 2022)", "61.7", "", "73.1", "")
    # The other way round there is nothing to star.
    assert score_rows(RUNS, baseline=("no-dapt", "laner"))[1][2] == "52.0 ± 1.0"


def test_significance_needs_the_same_seeds_and_sentences():
    better = [make_run("a", "b", 1, 0.5, right=4)]
    worse = [make_run("a", "c", 1, 0.4, right=2)]
    assert significance(better, worse) == "**"
    assert significance(worse, better) == significance(better, better) == ""
    assert significance(better, [make_run("a", "c", 2, 0.4, right=2)]) == ""
    assert significance(better, [make_run("a", "c", 1, 0.4)]) == ""


def test_curves_are_over_sentences():
    runs = [make_run("direct", "crf", seed, 0.2 + n / 100, sentences=n) for n in (25, 10) for seed in (1, 2)]
    assert curve_rows(runs) == [
        ("setting", "method", "domain", "10", "25"),
        ("direct", "crf", "ai", "30.0 ± 0.0", "45.0 ± 0.0"),
    ]
    assert curve_rows(RUNS) == []
    assert len(score_rows(runs)) == 1


def test_types_are_a_row_each():
    rows = type_rows(RUNS)
    assert rows[0] == ("domain", "type", "direct tagger", "no-dapt laner")
    assert rows[1] == ("ai", "a|b", "26.0 ± 0.5", "29.0 ± 0.5")
    assert rows[3] == ("music", "a|b", "", "30.0")


def test_costs_tell_what_seeds_share():
    rows = cost_rows(RUNS)
    assert rows[1] == ("direct", "tagger", "ai", "120", "20", "900", "50")


@pytest.mark.parametrize("rows", [[], [("a", "b|c"), ("1", "2, 3")]])
def test_tables_are_markdown_and_csv(rows):
    text = to_markdown(rows)
    assert text == ("| a | b\\|c |\n| --- | --- |\n| 1 | 2, 3 |\n" if rows else "")
    assert [tuple(row) for row in csv.reader(io.StringIO(to_csv(rows)))] == rows
