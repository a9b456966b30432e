"""Tables of a grid's runs, as Markdown and as CSV."""

import csv
import io
import math
import statistics
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..evaluation.bootstrap import paired_bootstrap
from .published import ROWS, published

Run = Mapping[str, Any]
Row = Sequence[str]


class Group(NamedTuple):
    """Runs that differ in the seed alone, and what they have in common.

    setting (str): workflow.
    method (str): config.
    domain (str): target.
    sentences (int): labelled sentences; 0 for all.
    variant (str): a variable of the project that is another one than for other runs, `name=value`; "" for none.
    """

    setting: str
    method: str
    domain: str
    sentences: int = 0
    variant: str = ""

    @property
    def place(self) -> str:
        """What a table calls the domain, the sentences and the variant."""
        sentences = f"{self.sentences} sentences" if self.sentences else ""
        return ", ".join(name for name in (self.domain, sentences, self.variant) if name)


# Runs by what stands on the x axis, by line.
Curve = Dict[Group, Dict[float, List[Run]]]


def latest_runs(runs: Iterable[Run]) -> List[Run]:
    """Return the latest run of each setting, method, domain, size, variant and seed, whatever data and commands it has.

    runs (Iterable[Run]): the runs, the latest last.
    """
    return list({(*_group(run), run["seed"]): run for run in runs}.values())


def group_runs(runs: Iterable[Run]) -> Dict[Group, List[Run]]:
    """Return runs by what they have in common but for the seed, in the order in which they come."""
    groups: Dict[Group, List[Run]] = {}
    for run in runs:
        groups.setdefault(_group(run), []).append(run)
    return groups


def plain_groups(runs: Iterable[Run]) -> Dict[Group, List[Run]]:
    """Return the groups with all sentences, and with the project's variables as they are."""
    groups = group_runs(runs)
    return {group: seed_runs for group, seed_runs in groups.items() if not group.sentences and not group.variant}


def find_curves(runs: Sequence[Run], defaults: Mapping[str, Any]) -> Dict[str, Curve]:
    """Return what F1 can be drawn over: runs by number of sentences, and by the values of variables that are numbers.

    runs (Sequence[Run]): the runs.
    defaults (Mapping[str, Any]): variables of the project; runs without a variant have these.
    RETURNS (Dict[str, Curve]): lines by "target_sentences" or the name of another variable; no line of a single point.
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
                # Of two ways to write a number the first one counts.
                curves.setdefault(name, {}).setdefault(line, {}).setdefault(place, seed_runs)
    drawn = {
        name: {line: points for line, points in curve.items() if len(points) > 1} for name, curve in curves.items()
    }
    return {name: curve for name, curve in drawn.items() if curve}


def percent(values: Sequence[float]) -> str:
    """Return mean and, of several, standard deviation in percent."""
    mean = 100 * statistics.mean(values)
    return f"{mean:.1f} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def score_rows(runs: Sequence[Run], baseline: Optional[Tuple[str, str]] = None) -> List[Row]:
    """Return the table of methods: each with its F1 on test and dev in each domain, all sentences taken.

    runs (Sequence[Run]): the runs.
    baseline (Optional[Tuple[str, str]]): setting and method that the others are compared with by a paired bootstrap
        test over the runs of the same seeds; the first row if not given.
    RETURNS (List[Row]): the header first. A `*` stands for p < 0.05, `**` for p < 0.01. Published figures follow.
    """
    groups = plain_groups(runs)
    domains = list(dict.fromkeys(group.domain for group in groups))
    names = list(dict.fromkeys((group.setting, group.method) for group in groups))
    baseline = baseline or (names[0] if names else None)
    rows: List[Row] = [
        ("setting", "method", *(f"{domain}, {split}" for domain in domains for split in ("test", "dev")))
    ]
    for setting, method in names:
        cells: List[str] = [setting, method]
        for domain in domains:
            seed_runs = groups.get(Group(setting, method, domain))
            if seed_runs is None:
                cells += ["", ""]
                continue
            other = groups.get(Group(*baseline, domain)) if baseline else None
            stars = "" if other is None or other is seed_runs else significance(seed_runs, other)
            test, dev = _test_and_dev(seed_runs)
            cells += [test + stars, dev]
        rows.append(cells)
    for setting, method in names:
        by_domain = {domain: groups.get(Group(setting, method, domain), []) for domain in domains}
        sizes = {domain: {len(run["counts"] or []) for run in seed_runs} for domain, seed_runs in by_domain.items()}
        figures = published(setting, method, sizes)
        if any(domain in figures for domain in domains):
            paper = ROWS[setting, method][0]
            scores = [f"{figures[domain]:.1f}" if domain in figures else "" for domain in domains]
            row = [cell for score in scores for cell in (score, "")]
            rows.append((setting, f"{method}, BERT, as published ({paper})", *row))
    return rows


def significance(runs: Sequence[Run], other: Sequence[Run], *, two_sided: bool = False) -> str:
    """Return stars for how sure it is that runs are better than others: a bootstrap over sentences and paired seeds.

    runs, other (Sequence[Run]): the runs.
    two_sided (bool): whether they are better or worse.
    """
    if two_sided:
        return _stars(min(2 * _p_value(runs, other), 2 * _p_value(other, runs)))
    return _stars(_p_value(runs, other))


def _stars(p_value: float) -> str:
    return "**" if p_value < 0.01 else "*" if p_value < 0.05 else ""


def _p_value(runs: Sequence[Run], other: Sequence[Run]) -> float:
    by_seed = {run["seed"]: run for run in other}
    pairs = [(run, by_seed[run["seed"]]) for run in runs if run["seed"] in by_seed]
    counts = [
        tuple(np.array(run["counts"]) for run in pair) for pair in pairs if all(run.get("counts") for run in pair)
    ]
    # Runs on another test set have no part in it.
    counts = [(one, two) for one, two in counts if one.shape == two.shape == counts[-1][0].shape]
    if not counts:
        return 1.0
    # A sentence is drawn with what all seeds make of it.
    one, two = (sum(pair[i] for pair in counts) for i in (0, 1))
    p_value: float = paired_bootstrap(np.asarray(one), np.asarray(two))["p_value"]
    return p_value


def curve_rows(curve: Curve) -> List[Row]:
    """Return the table of F1 on test along the lines of a curve, the header first."""
    places = sorted({place for points in curve.values() for place in points})
    rows: List[Row] = [("setting", "method", "domain", *(f"{place:.10g}" for place in places))]
    for line, points in curve.items():
        cells = [percent([run["test"]["f"] for run in points[place]]) if place in points else "" for place in places]
        rows.append((line.setting, line.method, line.place, *cells))
    return rows


def variant_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of variants: each with its F1, and the difference on test to the project as it is.

    runs (Sequence[Run]): the runs.
    RETURNS (List[Row]): the header first; empty without variants. Differences are of the seeds that both have, with
        stars as in `score_rows` for how sure it is that there is one, by a two-sided test.
    """
    groups = group_runs(runs)
    lines = list(dict.fromkeys(group._replace(variant="") for group in groups if group.variant))
    rows: List[Row] = [("setting", "method", "domain", "variant", "test", "dev", "difference, test")] if lines else []
    for line in lines:
        base = groups.get(line, [])
        if base:
            rows.append((line.setting, line.method, line.place, "", *_test_and_dev(base), ""))
        for group, seed_runs in groups.items():
            if group.variant and group._replace(variant="") == line:
                by_seed = {run["seed"]: run["test"]["f"] for run in base}
                gains = [run["test"]["f"] - by_seed[run["seed"]] for run in seed_runs if run["seed"] in by_seed]
                stars = significance(seed_runs, base, two_sided=True)
                gain = f"{100 * statistics.mean(gains):+.1f}{stars}" if gains else ""
                rows.append((line.setting, line.method, line.place, group.variant, *_test_and_dev(seed_runs), gain))
    return rows


def type_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of F1 on test by type, a row a domain and type, the header first."""
    groups = plain_groups(runs)
    names = list(dict.fromkeys((group.setting, group.method) for group in groups))
    rows: List[Row] = [("domain", "type", *(f"{setting} {method}" for setting, method in names))]
    for domain in dict.fromkeys(group.domain for group in groups):
        columns = {group[:2]: seed_runs for group, seed_runs in groups.items() if group.domain == domain}
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
    """Return the table of what each row costs: seconds of all its stages, peak memory, words per second."""
    rows: List[Row] = [
        ("setting", "method", "domain", "seconds", "of these in stages of its seed", "megabytes", "words/s")
    ]
    for group, seed_runs in group_runs(runs).items():
        stages = [run["stages"] for run in seed_runs]
        seconds = [sum(stage["seconds"] for stage in of_run.values()) for of_run in stages]
        # What all seeds share was done once.
        shared = set(stages[0])
        for of_run in stages[1:]:
            shared = {name for name in shared if of_run.get(name) == stages[0][name]}
        of_seed = [
            sum(of_run[name]["seconds"] for name in of_run if name not in shared or len(stages) == 1)
            for of_run in stages
        ]
        most = max(stage["megabytes"] for of_run in stages for stage in of_run.values())
        speed = statistics.median(run["test"]["words_per_second"] for run in seed_runs)
        rows.append(
            (
                group.setting,
                group.method,
                group.place,
                f"{statistics.mean(seconds):,.0f}",
                f"{statistics.mean(of_seed):,.0f}",
                f"{most:,.0f}",
                f"{speed:,.0f}",
            )
        )
    return rows


def legend(runs: Sequence[Run], baseline: Tuple[str, str]) -> str:
    """Return the line under the table of methods: what its stars mean; "" where there is no run to compare with."""
    if not any((group.setting, group.method) == baseline for group in plain_groups(runs)):
        return ""
    name = " ".join(baseline).replace("|", "\\|")
    return f"Better than {name}, the baseline: `*` p < 0.05, `**` p < 0.01 (paired bootstrap test over sentences).\n"


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
    """Return the number that a variable's value is; None for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
