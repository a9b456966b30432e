"""Result tables of a grid, as Markdown and as CSV."""

import csv
import io
import math
import statistics
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..evaluation.bootstrap import paired_bootstrap
from ..evaluation.significance import holm
from .conditions import differing_conditions
from .published import ROWS, published

# What stars mean, see `significance`.
STARS = (
    "`*` p < 0.05, `**` p < 0.01 (hierarchical paired bootstrap test over seeds and sentences, two seeds or more, "
    "corrected by Holm's method for the number of comparisons in the table)"
)

Run = Mapping[str, Any]
Row = Sequence[str]


class Group(NamedTuple):
    """The common fields of runs that differ only in the seed.

    setting (str): the workflow.
    method (str): the name of the config.
    domain (str): the target domain.
    sentences (int): number of labelled sentences; 0 for all.
    variant (str): a project variable with a value for these runs only, `name=value`; "" for none.
    conditions (str): the device and versions that differ from those of the latest run; "" if none differ.
    """

    setting: str
    method: str
    domain: str
    sentences: int = 0
    variant: str = ""
    conditions: str = ""

    @property
    def name(self) -> Tuple[str, str]:
        """The first two cells of a row: the setting, and the method with its conditions."""
        return self.setting, f"{self.method} ({self.conditions})" if self.conditions else self.method

    @property
    def place(self) -> str:
        """The name of the domain, the sentences and the variant in tables."""
        sentences = f"{self.sentences} sentences" if self.sentences else ""
        return ", ".join(name for name in (self.domain, sentences, self.variant) if name)


# For each line of a plot: the runs at each position on the x axis.
Curve = Dict[Group, Dict[float, List[Run]]]


def latest_runs(runs: Iterable[Run]) -> List[Run]:
    """Return the latest run of each setting, method, domain, size, variant and seed, with any data and commands.

    runs (Iterable[Run]): the runs, in order of time.
    """
    return list({(*_group(run), run["seed"]): run for run in runs}.values())


def group_runs(runs: Sequence[Run]) -> Dict[Group, List[Run]]:
    """Group runs that differ only in the seed, in the given order.

    Runs with other versions or on another device are a group of their own, and so are runs without a record of them.
    """
    groups: Dict[Group, List[Run]] = {}
    for run, conditions in zip(runs, differing_conditions(runs), strict=True):
        groups.setdefault(_group(run)._replace(conditions=conditions), []).append(run)
    return groups


def plain_groups(runs: Sequence[Run]) -> Dict[Group, List[Run]]:
    """Return the groups that use all sentences and the project's own variables."""
    groups = group_runs(runs)
    return {group: seed_runs for group, seed_runs in groups.items() if not group.sentences and not group.variant}


def find_curves(runs: Sequence[Run], defaults: Mapping[str, Any]) -> Dict[str, Curve]:
    """Return the curves of F1 over the number of sentences and over the values of numeric variables.

    runs (Sequence[Run]): the runs.
    defaults (Mapping[str, Any]): the project variables, used by runs without a variant.
    RETURNS (Dict[str, Curve]): curves by variable name, such as "target_sentences". Lines with one point are left out.
    """
    groups = group_runs(runs)
    names = list(dict.fromkeys(group.variant.partition("=")[0] for group in groups if group.variant))
    curves: Dict[str, Curve] = {}
    for group, seed_runs in groups.items():
        if group.sentences:
            line = group._replace(sentences=0)
            curves.setdefault("target_sentences", {}).setdefault(line, {})[group.sentences] = seed_runs
        for name in names:
            varied, _, value = group.variant.partition("=")
            place = as_number(value if varied == name else defaults.get(name))
            if varied in ("", name) and place is not None:
                line = group._replace(variant="")
                # If a number is written in two ways, the first one is used.
                curves.setdefault(name, {}).setdefault(line, {}).setdefault(place, seed_runs)
    drawn = {
        name: {line: points for line, points in curve.items() if len(points) > 1} for name, curve in curves.items()
    }
    return {name: curve for name, curve in drawn.items() if curve}


def percent(values: Sequence[float]) -> str:
    """Return the mean in percent, with the standard deviation if there are several values."""
    mean = 100 * statistics.mean(values)
    return f"{mean:.1f} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def score_rows(runs: Sequence[Run], baseline: Optional[Tuple[str, str]] = None) -> List[Row]:
    """Return the table of methods: test and dev F1 in each domain, trained on all sentences.

    runs (Sequence[Run]): the runs.
    baseline (Optional[Tuple[str, str]]): setting and method of the baseline; the first row if not given. Other rows are
        compared with it, see `significance`, if device and versions are the same.
    RETURNS (List[Row]): the header, then the rows, then published results. `*` means p < 0.05, `**` means p < 0.01.
    """
    groups = plain_groups(runs)
    domains = list(dict.fromkeys(group.domain for group in groups))
    rows_of = {group._replace(domain=""): group for group in groups}
    baseline = baseline or next((group[:2] for group in groups), ("", ""))
    pairs = {}
    for group, seed_runs in groups.items():
        other = group._replace(setting=baseline[0], method=baseline[1])
        if other in groups and other != group:
            pairs[group] = seed_runs, groups[other]
    stars = significance(pairs)
    rows: List[Row] = [
        ("setting", "method", *(f"{domain}, {split}" for domain in domains for split in ("test", "dev")))
    ]
    for line, group in rows_of.items():
        cells: List[str] = [*group.name]
        for domain in domains:
            place = line._replace(domain=domain)
            if place not in groups:
                cells += ["", ""]
                continue
            test, dev = _test_and_dev(groups[place])
            cells += [test + stars.get(place, ""), dev]
        rows.append(cells)
    for setting, method in dict.fromkeys(group[:2] for group in groups):
        by_domain = {
            domain: [run for group in groups if group[:3] == (setting, method, domain) for run in groups[group]]
            for domain in domains
        }
        sizes = {domain: {len(run["counts"] or []) for run in seed_runs} for domain, seed_runs in by_domain.items()}
        figures = published(setting, method, sizes)
        if any(domain in figures for domain in domains):
            paper = ROWS[setting, method][0]
            scores = [f"{figures[domain]:.1f}" if domain in figures else "" for domain in domains]
            row = [cell for score in scores for cell in (score, "")]
            rows.append((setting, f"{method}, BERT, as published ({paper})", *row))
    return rows


def significance(
    pairs: Mapping[Group, Tuple[Sequence[Run], Sequence[Run]]], *, two_sided: bool = False
) -> Dict[Group, str]:
    """Return stars for the significance of the differences in a table.

    The test is the hierarchical paired bootstrap over seeds and sentences, see `paired_bootstrap`. Its p-values are
    corrected for the number of pairs (Holm).

    pairs (Mapping[Group, Tuple[Sequence[Run], Sequence[Run]]]): the runs that may be better and those to compare them
        with. Pairs without two seeds that both sides have, with counts of the same sentences, have no test.
    two_sided (bool): test whether the runs differ, not only whether the first are better.
    """
    name = "p_two_sided" if two_sided else "p_value"
    tests = {group: _compare(*pair) for group, pair in pairs.items()}
    corrected = holm({group: test[name] for group, test in tests.items() if test})
    return {group: "**" if p < 0.01 else "*" if p < 0.05 else "" for group, p in corrected.items()}


def _compare(runs: Sequence[Run], other: Sequence[Run]) -> Optional[Dict[str, Any]]:
    """Return the test of two groups of runs; None without two seeds to compare."""
    by_seed = {run["seed"]: run for run in other}
    pairs = [(run, by_seed[run["seed"]]) for run in runs if run["seed"] in by_seed]
    counts = [[np.array(run["counts"]) for run in pair] for pair in pairs if all(run.get("counts") for run in pair)]
    # Leave out runs on another test set.
    counts = [pair for pair in counts if {side.shape for side in pair} == {counts[-1][0].shape}]
    if len(counts) < 2:
        return None
    return paired_bootstrap(*(np.stack([pair[side] for pair in counts]) for side in (0, 1)))


def curve_rows(curve: Curve) -> List[Row]:
    """Return the table of test F1 along the lines of a curve, with a header."""
    places = sorted({place for points in curve.values() for place in points})
    rows: List[Row] = [("setting", "method", "domain", *(f"{place:.10g}" for place in places))]
    for line, points in curve.items():
        cells = [percent([run["test"]["f"] for run in points[place]]) if place in points else "" for place in places]
        rows.append((*line.name, line.place, *cells))
    return rows


def variant_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of variants: their F1, and the test F1 difference to the unchanged project.

    runs (Sequence[Run]): the runs.
    RETURNS (List[Row]): the header, then the rows; empty without variants. Differences use the seeds that both have.
        Stars as in `score_rows` give their significance in a two-sided test.
    """
    groups = group_runs(runs)
    lines = list(dict.fromkeys(group._replace(variant="") for group in groups if group.variant))
    stars = significance(
        {group: (groups[group], groups.get(group._replace(variant=""), [])) for group in groups if group.variant},
        two_sided=True,
    )
    rows: List[Row] = [("setting", "method", "domain", "variant", "test", "dev", "difference, test")] if lines else []
    for line in lines:
        base = groups.get(line, [])
        if base:
            rows.append((*line.name, line.place, "", *_test_and_dev(base), ""))
        for group, seed_runs in groups.items():
            if group.variant and group._replace(variant="") == line:
                by_seed = {run["seed"]: run["test"]["f"] for run in base}
                gains = [run["test"]["f"] - by_seed[run["seed"]] for run in seed_runs if run["seed"] in by_seed]
                gain = f"{100 * statistics.mean(gains):+.1f}{stars.get(group, '')}" if gains else ""
                rows.append((*line.name, line.place, group.variant, *_test_and_dev(seed_runs), gain))
    return rows


def type_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of test F1 by entity type, with a header and one row for each domain and type."""
    groups = plain_groups(runs)
    names = list(dict.fromkeys(group.name for group in groups))
    rows: List[Row] = [("domain", "type", *(f"{setting} {method}" for setting, method in names))]
    for domain in dict.fromkeys(group.domain for group in groups):
        columns = {group.name: seed_runs for group, seed_runs in groups.items() if group.domain == domain}
        labels = sorted(
            {label for seed_runs in columns.values() for run in seed_runs for label in run["test"]["per_type"]}
        )
        for label in labels:
            cells = [
                percent([run["test"]["per_type"].get(label, 0.0) for run in columns[name]]) if name in columns else ""
                for name in names
            ]
            rows.append((domain, label, *cells))
    return rows


def cost_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of costs: seconds of all stages, peak memory, words per second."""
    rows: List[Row] = [("setting", "method", "domain", "seconds", "seconds per seed", "megabytes", "words/s")]
    for group, seed_runs in group_runs(runs).items():
        stages = [run["stages"] for run in seed_runs]
        seconds = [sum(stage["seconds"] for stage in run_stages.values()) for run_stages in stages]
        # Stages that all seeds share were executed once.
        shared = set(stages[0])
        for run_stages in stages[1:]:
            shared = {name for name in shared if run_stages.get(name) == stages[0][name]}
        per_seed = [
            sum(run_stages[name]["seconds"] for name in run_stages if name not in shared or len(stages) == 1)
            for run_stages in stages
        ]
        peak_megabytes = max(stage["megabytes"] for run_stages in stages for stage in run_stages.values())
        speed = statistics.median(run["test"]["words_per_second"] for run in seed_runs)
        rows.append(
            (
                *group.name,
                group.place,
                f"{statistics.mean(seconds):,.0f}",
                f"{statistics.mean(per_seed):,.0f}",
                f"{peak_megabytes:,.0f}",
                f"{speed:,.0f}",
            )
        )
    return rows


def legend(runs: Sequence[Run], baseline: Tuple[str, str]) -> str:
    """Return the legend of the table of methods, which explains the stars; "" if the baseline has no run."""
    if not any((group.setting, group.method) == baseline for group in plain_groups(runs)):
        return ""
    name = " ".join(baseline).replace("|", "\\|")
    return f"Better than {name}, the baseline: {STARS}, one-sided.\n"


def to_markdown(rows: Sequence[Row]) -> str:
    """Return a table as Markdown."""
    if not rows:
        return ""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """Return a table as CSV."""
    handle = io.StringIO()
    csv.writer(handle, lineterminator="\n").writerows(rows)
    return handle.getvalue()


def _group(run: Run) -> Group:
    return Group(run["setting"], run["method"], run["domain"], run["sentences"], run["variant"])


def _test_and_dev(seed_runs: Sequence[Run]) -> List[str]:
    dev = [run["dev_f"] for run in seed_runs if run["dev_f"] is not None]
    return [percent([run["test"]["f"] for run in seed_runs]), percent(dev) if dev else ""]


def as_number(value: Any) -> Optional[float]:
    """Return the value of a variable as a number; None if it is not a finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
