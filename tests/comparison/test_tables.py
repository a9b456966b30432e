import csv
import io

import pytest

from spacy_crossner.comparison.tables import (
    Group,
    cost_rows,
    curve_rows,
    find_curves,
    latest_runs,
    legend,
    score_rows,
    significance,
    to_csv,
    to_markdown,
    type_rows,
    variant_rows,
)


def test_scores_have_means_deviations_and_stars(runs):
    rows = score_rows(runs)
    assert rows[0] == ("setting", "method", "ai, test", "ai, dev", "music, test", "music, dev")
    assert rows[1] == ["direct", "tagger", "52.0 ± 1.0", "51.0 ± 1.0", "", ""]
    assert rows[2] == ["no-dapt", "laner", "58.0 ± 1.0**", "57.0 ± 1.0", "60.0", "59.0"]
    # What papers say stands apart, and is said to be theirs.
    assert rows[3] == ("direct", "tagger, BERT, as published (Liu et al., 2021)", "50.4", "", "", "")
    assert rows[4] == ("no-dapt", "laner, BERT, as published (Hu et al., 2022)", "61.7", "", "", "")
    # Nor does a row of another test set change that.
    other = [{**run, "setting": "moee", "counts": None} for run in runs[:3]]
    assert score_rows([*runs, *other])[-2:] == score_rows([*other, *runs])[-2:] == rows[3:5]
    # Another test set has only the domain's name.
    for run in runs:
        run["counts"] = run["counts"] and run["counts"][1:]
    assert len(score_rows(runs)) == 3
    # The other way round there is nothing to star.
    assert score_rows(runs, baseline=("no-dapt", "laner"))[1][2] == "52.0 ± 1.0"


def stars(*pairs, **settings):
    """Return the stars of pairs of runs in one table."""
    groups = {Group("a", str(i), "ai"): pair for i, pair in enumerate(pairs)}
    found = significance(groups, **settings)
    return [found.get(group) for group in groups]


def test_significance_needs_two_seeds_and_the_same_sentences(make_run):
    better = [make_run("a", "b", seed, 0.5, right=4) for seed in (1, 2)]
    worse = [make_run("a", "c", seed, 0.4, right=2) for seed in (1, 2)]
    assert stars((better, worse)) == ["**"]
    assert stars((worse, better)) == stars((better, better)) == [""]
    # One seed, other seeds, no counts: no test.
    assert stars((better[:1], worse)) == stars((better, [make_run("a", "c", 3, 0.4, right=2)])) == [None]
    assert stars((better, [make_run("a", "c", seed, 0.4) for seed in (1, 2)])) == [None]


def test_significance_passes_over_seeds_of_another_test_set(make_run):
    better = [make_run("a", "b", seed, 0.5, right=4) for seed in (1, 2, 3, 4)]
    worse = [make_run("a", "c", seed, 0.4, right=2) for seed in (1, 2, 3, 4)]
    # One pair on fewer sentences, one whose runs do not fit together.
    for run in (better[0], worse[0], better[1]):
        run["counts"] = run["counts"][:-2]
    assert stars((better, worse)) == ["**"]
    assert stars((better[1:3], worse[1:3])) == [None]


def test_significance_is_over_seeds_too(make_run):
    """Each pair of pipelines differs clearly over sentences, but the method is as often worse."""
    first = [make_run("a", "b", seed, 0.5, right=right) for seed, right in enumerate((4, 4, 2))]
    second = [make_run("a", "c", seed, 0.5, right=right) for seed, right in enumerate((2, 2, 4))]
    assert stars((first, second)) == [""]
    assert stars((first, second), two_sided=True) == [""]


def test_p_values_are_corrected_for_the_comparisons_of_a_table(make_run, monkeypatch):
    pair = [[make_run("a", "b", seed, 0.5, right=4) for seed in (1, 2)] for _ in range(2)]
    p_values = {"p_value": 0.02, "p_two_sided": 0.06}
    monkeypatch.setattr("spacy_crossner.comparison.tables.paired_bootstrap", lambda first, second: p_values)
    assert stars(pair) == ["*"]
    assert stars(pair, two_sided=True) == [""]
    assert stars(pair, pair) == ["*", "*"]
    assert stars(pair, pair, pair) == ["", "", ""]
    # A pair without a test does not count.
    assert stars(pair, pair, ([], [])) == ["*", "*", None]


OLD = {"torch": "2.9.0", "spacy": "3.8.18"}
NEW = {"torch": "2.13.0", "spacy": "3.8.18"}


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"versions": OLD, "device": "cpu, AVX2"}, "crf (torch 2.9.0)"),
        ({"versions": NEW, "device": "NVIDIA H100"}, "crf (device NVIDIA H100)"),
        ({}, "crf (device unknown, torch unknown, spacy unknown)"),
    ],
)
def test_runs_of_other_versions_and_devices_are_never_averaged(make_run, other, name):
    runs = [{**make_run("all", "crf", seed, 0.3, right=2), **other} for seed in (1, 2)]
    runs += [
        {**make_run("all", method, seed, f, right=4), "versions": NEW, "device": "cpu, AVX2"}
        for method, f in (("crf", 0.5), ("laner", 0.6))
        for seed in (1, 2)
    ]
    rows = score_rows(runs)
    assert [row[:3] for row in rows[1:4]] == [
        ["all", name, "30.0 ± 0.0"],
        ["all", "crf", "50.0 ± 0.0"],
        ["all", "laner", "60.0 ± 0.0"],
    ]
    assert [row[1] for row in cost_rows(runs)[1:]] == [name, "crf", "laner"]
    assert type_rows(runs)[0][2:] == (f"all {name}", "all crf", "all laner")
    # Nor are they compared with each other: the first row is the baseline of those with its conditions alone.
    assert score_rows([*runs[:2], *runs[4:]], baseline=("all", "crf"))[2][2] == "60.0 ± 0.0"
    # A curve or a variant takes no point from other conditions.
    few = [{**run, "sentences": 10} for run in runs[:2]] + [{**run, "sentences": 20} for run in runs[2:4]]
    assert find_curves(few, {}) == {}
    varied = [*runs[:2], *({**run, "variant": "a=1"} for run in runs[2:4])]
    assert variant_rows(varied)[-1][-1] == ""


def test_the_last_run_of_a_kind_is_in_the_tables(make_run):
    runs = [{**make_run("a", "b", seed, f), "key": f"{seed} {f}"} for f in (0.2, 0.4, 0.6) for seed in (1, 2)]
    assert [run["key"] for run in latest_runs(runs)] == ["1 0.6", "2 0.6"]


def test_a_legend_tells_what_stars_mean(runs):
    assert legend(runs, ("no-dapt", "laner")).startswith("Better than no-dapt laner, the baseline: `*` p < 0.05, `**`")
    assert legend(runs, ("all", "laner")) == ""


def test_curves_are_over_sentences(runs, make_run):
    few = [make_run("direct", "crf", seed, 0.2 + n / 100, sentences=n) for n in (25, 10) for seed in (1, 2)]
    curves = find_curves([*runs, *few], {})
    assert list(curves) == ["target_sentences"]
    header, row = curve_rows(curves["target_sentences"])
    assert header == ("setting", "method", "domain", "10", "25")
    assert row == ("direct", "crf", "ai", "30.0 ± 0.0", "45.0 ± 0.0")
    assert find_curves(runs, {}) == find_curves(few[:2], {}) == {}
    assert len(score_rows(few)) == 1


def test_curves_are_over_variables_that_are_numbers(make_run):
    shares = {"raw_share=0.5": 0.4, "raw_share=0.1": 0.3, "": 0.5, "raw_share=none": 0.2, "options=--weight 0": 0.1}
    runs = [make_run("all", "crf", seed, f, variant=variant) for variant, f in shares.items() for seed in (1, 2)]
    # Elsewhere the project as it is alone: a point is no line.
    runs.append(make_run("all", "laner", 1, 0.6))
    curves = find_curves(runs, {"raw_share": 1, "options": ""})
    assert list(curves) == ["raw_share"]
    header, row = curve_rows(curves["raw_share"])
    assert header == ("setting", "method", "domain", "0.1", "0.5", "1")
    assert row == ("all", "crf", "ai", "30.0 ± 0.0", "40.0 ± 0.0", "50.0 ± 0.0")
    # Without what the project has, values of variants are all that is known.
    runs += [make_run("all", "crf", 1, 0.9, variant=f"raw_share={share}") for share in ("0.50", "nan", "1e-12")]
    assert curve_rows(find_curves(runs, {"raw_share": 1})["raw_share"])[1][3:] == (
        "90.0",
        "30.0 ± 0.0",
        "40.0 ± 0.0",
        "50.0 ± 0.0",
    )
    # Lines with few sentences are others.
    few = [make_run("all", "crf", 1, 0.2, sentences=10, variant=variant) for variant in ("", "raw_share=0.5")]
    rows = curve_rows(find_curves([*runs[:10], *few], {"raw_share": 1})["raw_share"])
    assert [row[2:] for row in rows[1:]] == [
        ("ai", "30.0 ± 0.0", "40.0 ± 0.0", "50.0 ± 0.0"),
        ("ai, 10 sentences", "", "20.0", "20.0"),
    ]
    runs = runs[:-3]
    assert curve_rows(find_curves(runs, {})["raw_share"])[0] == ("setting", "method", "domain", "0.1", "0.5")


def test_variants_stand_beside_the_project_as_it_is(make_run):
    runs = [make_run("all", "crf", seed, 0.5 + seed / 100, right=4) for seed in (1, 2)]
    runs += [make_run("all", "crf", seed, 0.44 + seed / 100, right=2, variant="a=--b 0") for seed in (2, 1, 3)]
    runs += [make_run("all", "crf", 3, 0.9, sentences=10, variant="a=--b 0")]
    assert variant_rows(runs) == [
        ("setting", "method", "domain", "variant", "test", "dev", "difference, test"),
        ("all", "crf", "ai", "", "51.5 ± 0.7", "50.5 ± 0.7", ""),
        ("all", "crf", "ai", "a=--b 0", "46.0 ± 1.0", "45.0 ± 1.0", "-6.0**"),
        ("all", "crf", "ai, 10 sentences", "a=--b 0", "90.0", "89.0", ""),
    ]
    assert len(score_rows(runs)) == 2
    assert len(type_rows(runs)[0]) == 3
    assert [row[2] for row in cost_rows(runs)[1:]] == ["ai", "ai, a=--b 0", "ai, 10 sentences, a=--b 0"]
    assert variant_rows(runs[:2]) == []
    # Better or worse.
    better = [{**run, "counts": [[4, 4, 4]] * 431} for run in runs[2:4]]
    assert variant_rows([*runs[:2], *better])[2][-1] == "-6.0**"


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
