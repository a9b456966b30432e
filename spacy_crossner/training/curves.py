"""The curve of a training: loss terms and dev scores over the steps, in `curve.png` of the output folder."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

from wasabi import msg

from ..errors import CrossnerError
from ..storage.figures import new_figure, save_figure
from .log import CURVE, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHORT = {"ents_f": "F1", "ents_p": "precision", "ents_r": "recall"}
# One evaluation is a point and no curve.
LEAST_ROWS = 2
# Ratio of the highest to the lowest loss from which the axis is logarithmic.
LOGARITHMIC = 10

# The steps and values of a line.
Line = Tuple[List[int], List[float]]


def save_curve(output: Path, logs: Mapping[str, Sequence[Row]], mean: Optional[float] = None) -> None:
    """Draw the curve of a finished training. The reason why it cannot be drawn is printed, once in each process.

    output (Path): the output folder of the training.
    logs (Mapping[str, Sequence[Row]]): the log by name: one for an ordinary training, or one for each seed.
    mean (Optional[float]): the dev score of the mean of the weights of several seeds, in [0, 1].
    """
    logs = {name: rows for name, rows in logs.items() if len(rows) >= LEAST_ROWS}
    if logs:
        try:
            save_figure(draw_curve(logs, mean), output / CURVE, [".png"])
        except CrossnerError as error:
            _say_once(f"The training has no {CURVE}: {error}")


def draw_curve(logs: Mapping[str, Sequence[Row]], mean: Optional[float] = None) -> "Figure":
    """Draw two panels: the loss terms and the dev scores of a training, or the loss and the dev score of each seed.

    A star marks the best score, which is that of `model-best`.

    logs (Mapping[str, Sequence[Row]]): see `save_curve`.
    mean (Optional[float]): see `save_curve`.
    RAISES (CrossnerError): matplotlib is not installed.
    """
    figure = new_figure(9, 3.4)
    left, right = figure.subplots(1, 2)
    losses: Dict[str, Line] = {}
    scores: Dict[str, Line] = {}
    for name, rows in logs.items():
        steps = [row["step"] for row in rows]
        if len(logs) == 1:
            losses.update(loss_lines(rows))
            for score in rows[0]["scores"]:
                scores[SHORT.get(score, score)] = steps, [100 * row["scores"][score] for row in rows]
        else:
            losses[name] = total_line(rows)
            scores[name] = steps, [100 * row["score"] for row in rows]
        best = max(rows, key=lambda row: row["score"])
        right.plot(best["step"], 100 * best["score"], "*", color="black", markersize=9, zorder=3)
    _draw_lines(left, losses, "loss per step, mean since the last evaluation")
    values = [value for _, values in losses.values() for value in values]
    if values and min(values) > 0 and max(values) >= LOGARITHMIC * min(values):
        left.set_yscale("log")
    if mean is not None:
        right.axhline(100 * mean, linestyle="--", color="grey", label="mean of the weights")
    _draw_lines(right, scores, "score on dev, in percent")
    return figure


def loss_lines(rows: Sequence[Row]) -> Dict[str, Line]:
    """Return the mean loss of a step for each loss term, and for each component whose terms are not logged.

    Losses that are 0 throughout are left out: those of components without a loss of their own.
    """
    names = [name for name in rows[0]["losses"] if not any(other.startswith(f"{name}.") for other in rows[0]["losses"])]
    lines = {name: _per_step(rows, [row["losses"].get(name, 0.0) for row in rows]) for name in names}
    return {name: line for name, line in lines.items() if any(line[1])}


def total_line(rows: Sequence[Row]) -> Line:
    """Return the mean loss of a step, summed over components."""
    return _per_step(rows, [sum(loss for name, loss in row["losses"].items() if "." not in name) for row in rows])


def _per_step(rows: Sequence[Row], sums: Sequence[float]) -> Line:
    """Return sums since the last evaluation as means over its steps. An evaluation at step 0 follows one step."""
    steps = [row["step"] for row in rows]
    lengths = [step - before or 1 for before, step in zip([0, *steps], steps, strict=False)]
    return steps, [total / length for total, length in zip(sums, lengths, strict=True)]


def _draw_lines(axis: "Axes", lines: Mapping[str, Line], title: str) -> None:
    for name, (steps, values) in lines.items():
        axis.plot(steps, values, marker="o", markersize=3, label=name)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("step")
    axis.locator_params(axis="x", integer=True)
    axis.grid(alpha=0.3)
    if lines:
        axis.legend(fontsize=8)


@cache
def _say_once(text: str) -> None:
    msg.info(text)
