"""Plots of the results of a grid."""

import statistics
from pathlib import Path
from typing import Mapping, Sequence, Tuple

from ..storage.figures import new_figure, save_figure
from .tables import Curve, Run, plain_groups

MARKERS = "osD^vPX*"


def draw_curve(curve: Curve, path: Path, label: str) -> Sequence[Path]:
    """Plot test F1 as mean and standard deviation over seeds, with one panel for each domain.

    curve (Curve): the lines to plot, see `find_curves`.
    path (Path): the file to write; it is saved as PNG and as SVG.
    label (str): label of the x axis.
    RETURNS (Sequence[Path]): the written files.
    """
    domains = list(dict.fromkeys(line.domain for line in curve))
    figure = new_figure(5 * len(domains), 3.6)
    axes = figure.subplots(1, len(domains), squeeze=False)[0]
    for axis, domain in zip(axes, domains, strict=True):
        lines = {line: points for line, points in curve.items() if line.domain == domain}
        for i, (line, points) in enumerate(lines.items()):
            places = sorted(points)
            scores = [[100 * run["test"]["f"] for run in points[place]] for place in places]
            spreads = [statistics.stdev(values) if len(values) > 1 else 0.0 for values in scores]
            details = line._replace(domain="").place
            name = f"{' '.join(line.name)}{', ' if details else ''}{details}"
            axis.errorbar(
                places,
                list(map(statistics.mean, scores)),
                spreads,
                label=name,
                marker=MARKERS[i % len(MARKERS)],
                capsize=3,
            )
        axis.set_title(domain, parse_math=False)
        axis.set_xlabel(label, parse_math=False)
        axis.set_ylabel("test F1")
        axis.grid(alpha=0.3)
        axis.legend()
    return save_figure(figure, path)


def draw_types(runs: Sequence[Run], path: Path) -> Sequence[Path]:
    """Plot test F1 by entity type as bars: one panel for each domain, one colour for each setting and method.

    runs (Sequence[Run]): the runs. Only runs on all sentences are plotted, as means over seeds.
    path (Path): the file to write as PNG and as SVG.
    RETURNS (Sequence[Path]): the written files; empty without runs on all sentences.
    """
    groups = plain_groups(runs)
    domains = list(dict.fromkeys(group.domain for group in groups))
    if not groups:
        return []
    figure = new_figure(9, 3.2 * len(domains))
    axes = figure.subplots(len(domains), 1, squeeze=False)[:, 0]
    for axis, domain in zip(axes, domains, strict=True):
        rows = {group.name: seed_runs for group, seed_runs in groups.items() if group.domain == domain}
        labels = sorted(
            {label for seed_runs in rows.values() for run in seed_runs for label in run["test"]["per_type"]}
        )
        width = 0.8 / len(rows)
        for i, (name, seed_runs) in enumerate(rows.items()):
            means = [
                statistics.mean(100 * run["test"]["per_type"].get(label, 0.0) for run in seed_runs) for label in labels
            ]
            axis.bar([place + i * width for place in range(len(labels))], means, width, label=" ".join(name))
        middle = 0.4 - width / 2
        places = [place + middle for place in range(len(labels))]
        axis.set_xticks(places, labels, rotation=40, ha="right", parse_math=False)
        axis.set_title(domain, parse_math=False)
        axis.set_ylabel("test F1")
        axis.legend(fontsize=8)
    return save_figure(figure, path)


def draw_overlap(overlap: Mapping[Tuple[str, str], float], path: Path) -> Sequence[Path]:
    """Plot the vocabulary overlap of domains as a heat map (CrossNER, Figure 1).

    overlap (Mapping[Tuple[str, str], float]): overlap in percent of each pair of domains, see `vocabulary_overlap`.
    path (Path): the file to write as PNG and as SVG.
    RETURNS (Sequence[Path]): the written files; empty without a pair of domains.
    """
    domains = list(dict.fromkeys(domain for pair in overlap for domain in pair))
    if not domains:
        return []
    both = {**overlap, **{(second, first): percent for (first, second), percent in overlap.items()}}
    figure = new_figure(1.8 + 0.7 * len(domains), 1.4 + 0.6 * len(domains))
    axis = figure.subplots()
    grid = [[both.get((row, column), 100.0) for column in domains] for row in domains]
    axis.imshow(grid, cmap="Blues", vmin=0, vmax=100)
    for i, row in enumerate(grid):
        for j, percent in enumerate(row):
            axis.text(j, i, f"{percent:.0f}", ha="center", va="center", color="white" if percent > 60 else "black")
    axis.set_xticks(range(len(domains)), domains, rotation=40, ha="right", parse_math=False)
    axis.set_yticks(range(len(domains)), domains, parse_math=False)
    axis.set_title("vocabulary overlap in percent")
    return save_figure(figure, path)
