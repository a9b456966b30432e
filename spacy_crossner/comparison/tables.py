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
        few = f"{self.sentences} sentences" if self.sentences else ""
        return ", ".join(part for part in (self.domain, few, self.variant) if part)


# Runs by what stands on the x axis, by line.
Curve = Dict[Group, Dict[float, List[Run]]]


def latest_runs(runs: Iterable[Run]) -> List[Run]:
    """Return the latest run of each cell, whatever data and commands it is of.

    runs (Iterable[Run]): the runs, the latest last.
    """
    return list({(*_group(run), run["seed"]): run for run in runs}.values())


def group_runs(runs: Iterable[Run]) -> Dict[Group, List[Run]]:
    """Return runs by what they have in common but for the seed, in the order in which they come."""
    found: Dict[Group, List[Run]] = {}
    for run in runs:
        found.setdefault(_group(run), []).append(run)
    return found


def plain_groups(runs: Iterable[Run]) -> Dict[Group, List[Run]]:
    """Return the groups with all sentences, and with the project's variables as they are."""
    return {group: found for group, found in group_runs(runs).items() if not group.sentences and not group.variant}


def find_curves(runs: Sequence[Run], defaults: Mapping[str, Any]) -> Dict[str, Curve]:
    """Return what F1 can be drawn over: runs by number of sentences, and by the values of variables that are numbers.

    runs (Sequence[Run]): the runs.
    defaults (Mapping[str, Any]): variables of the project; runs without a variant have these.
    RETURNS (Dict[str, Curve]): lines by "target_sentences" or the name of another variable; no line of a single point.
    """
    groups = group_runs(runs)
    names = list(dict.fromkeys(group.variant.partition("=")[0] for group in groups if group.variant))
    curves: Dict[str, Curve] = {}
    for group, found in groups.items():
        if group.sentences:
            line = group._replace(sentences=0)
            curves.setdefault("target_sentences", {}).setdefault(line, {})[group.sentences] = found
        for name in names:
            own, _, value = group.variant.partition("=")
            place = as_number(value if own == name else defaults.get(name))
            if own in ("", name) and place is not None:
                line = group._replace(variant="")
                # Of two ways to write a number the first one counts.
                curves.setdefault(name, {}).setdefault(line, {}).setdefault(place, found)
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
    rows: List[Row] = [("setting", "method", *(f"{domain}, {part}" for domain in domains for part in ("test", "dev")))]
    for setting, method in names:
        cells: List[str] = [setting, method]
        for domain in domains:
            found = groups.get(Group(setting, method, domain))
            if found is None:
                cells += ["", ""]
                continue
            other = groups.get(Group(*baseline, domain)) if baseline else None
            stars = "" if other is None or other is found else significance(found, other)
            test, dev = _test_and_dev(found)
            cells += [test + stars, dev]
        rows.append(cells)
    for setting, method in names:
        own_groups = {domain: groups.get(Group(setting, method, domain), []) for domain in domains}
        sizes = {domain: {len(run["counts"] or []) for run in found} for domain, found in own_groups.items()}
        figures = published(setting, method, sizes)
        if any(domain in figures for domain in domains):
            paper = ROWS[setting, method][0]
            own = [f"{figures[domain]:.1f}" if domain in figures else "" for domain in domains]
            rows.append((setting, f"{method}, BERT, as published ({paper})", *(cell for f in own for cell in (f, ""))))
    return rows


def significance(found: Sequence[Run], other: Sequence[Run], *, two_sided: bool = False) -> str:
    """Return stars for how sure it is that runs are better than others: a bootstrap over sentences and paired seeds.

    found, other (Sequence[Run]): the runs.
    two_sided (bool): whether they are better or worse.
    """
    if two_sided:
        return _stars(min(2 * _p_value(found, other), 2 * _p_value(other, found)))
    return _stars(_p_value(found, other))


def _stars(p_value: float) -> str:
    return "**" if p_value < 0.01 else "*" if p_value < 0.05 else ""


def _p_value(found: Sequence[Run], other: Sequence[Run]) -> float:
    by_seed = {run["seed"]: run for run in other}
    pairs = [(run, by_seed[run["seed"]]) for run in found if run["seed"] in by_seed]
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
        for group, found in groups.items():
            if group.variant and group._replace(variant="") == line:
                by_seed = {run["seed"]: run["test"]["f"] for run in base}
                gains = [run["test"]["f"] - by_seed[run["seed"]] for run in found if run["seed"] in by_seed]
                stars = significance(found, base, two_sided=True)
                gain = f"{100 * statistics.mean(gains):+.1f}{stars}" if gains else ""
                rows.append((line.setting, line.method, line.place, group.variant, *_test_and_dev(found), gain))
    return rows


def type_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of F1 on test by type, a row a domain and type, the header first."""
    groups = plain_groups(runs)
    names = list(dict.fromkeys((group.setting, group.method) for group in groups))
    rows: List[Row] = [("domain", "type", *(f"{setting} {method}" for setting, method in names))]
    for domain in dict.fromkeys(group.domain for group in groups):
        own = {group[:2]: found for group, found in groups.items() if group.domain == domain}
        labels = sorted({label for found in own.values() for run in found for label in run["test"]["per_type"]})
        for label in labels:
            cells = [
                percent([run["test"]["per_type"].get(label, 0.0) for run in own[name]]) if name in own else ""
                for name in names
            ]
            rows.append((domain, label, *cells))
    return rows


def cost_rows(runs: Sequence[Run]) -> List[Row]:
    """Return the table of what each row costs: seconds of all its stages, peak memory, words per second."""
    rows: List[Row] = [
        ("setting", "method", "domain", "seconds", "of these in stages of its seed", "megabytes", "words/s")
    ]
    for group, found in group_runs(runs).items():
        stages = [run["stages"] for run in found]
        seconds = [sum(stage["seconds"] for stage in own.values()) for own in stages]
        # What all seeds share was done once.
        shared = set(stages[0])
        for own in stages[1:]:
            shared = {name for name in shared if own.get(name) == stages[0][name]}
        of_seed = [
            sum(own[name]["seconds"] for name in own if name not in shared or len(stages) == 1) for own in stages
        ]
        most = max(stage["megabytes"] for own in stages for stage in own.values())
        speed = statistics.median(run["test"]["words_per_second"] for run in found)
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


def _test_and_dev(found: Sequence[Run]) -> List[str]:
    dev = [run["dev_f"] for run in found if run["dev_f"] is not None]
    return [percent([run["test"]["f"] for run in found]), percent(dev) if dev else ""]


def as_number(value: Any) -> Optional[float]:
    """Return the number that a variable's value is; None for what is none."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
