"""Scores as text for the terminal."""

from typing import Any, Dict, List, Mapping, Union

from wasabi import table

from .metrics import RULE

FIGURES = ("P", "R", "F1", "entities")
FROM_TEXT = "from text"


def score_table(scores: Mapping[str, Any]) -> str:
    """Format the scores of `evaluate`: overall, by type, illegal tags, calibration, speed.

    scores (Mapping[str, Any]): the scores, see `evaluation.evaluate`.
    RETURNS (str): a table with percentages. Types are in the given order (the most frequent first).
    """
    per_type: Dict[str, Any] = scores["strict"]["per_type"]
    overall = [
        _row("strict", scores["strict"], scores["entities"]),
        _row("lenient", scores["conlleval"], scores["entities"]),
        _row("untyped", scores["untyped"], scores["entities"]),
    ]
    if scores.get("from_text"):
        overall.insert(1, _row(FROM_TEXT, scores["from_text"], scores["from_text"]["entities"]))
    types = [_row(label, row, row["support"]) for label, row in per_type.items()]
    # Use the same width for the label column of both tables, so that the numbers are aligned.
    width = max(len(row[0]) for row in [*overall, *types, ["by type, strict"]])
    lines = [_table(overall, "all types", width)]
    if types:
        lines.append(_table(types, "by type, strict", width))
    lines.append(RULE.replace("; ", ";\n") + ".")
    if scores.get("from_text"):
        lines.append(_from_text(scores["from_text"]))
    lines += scores.get("notes", [])
    if scores["illegal_tags"]:
        lines.append(f"{scores['illegal_tags']} predicted I- tags without a start.")
    if scores["calibration"]:
        lines.append(_reliability(scores["calibration"]))
    lines.append(_counts(scores))
    return "\n".join(lines)


def _row(name: str, figures: Mapping[str, Union[int, float]], entities: int) -> List[str]:
    return [name, *(f"{100 * figures[key]:.2f}" for key in ("p", "r", "f")), str(entities)]


def _table(rows: List[List[str]], title: str, width: int) -> str:
    return table(
        rows, header=(title, *FIGURES), divider=True, widths=(width, 6, 6, 6, 8), aligns=("l", "r", "r", "r", "r")
    )


def _from_text(scores: Mapping[str, Any]) -> str:
    text = f"{FROM_TEXT}: strict, by character offsets, predictions of nlp(text) on untokenized text"
    guessed = f" ({scores['guessed']:,} sentences with guessed spaces)" if scores["guessed"] else ""
    return f"{text}{guessed}."


def _reliability(calibration: Mapping[str, Any]) -> str:
    rows = [
        [f"{row['low']:.1f}-{row['high']:.1f}", f"{row['confidence']:.3f}", f"{row['accuracy']:.3f}", str(row["count"])]
        for row in calibration["bins"]
        if row["count"]
    ]
    header = ("score", "mean score", "accuracy", "entities")
    text = table(rows, header=header, divider=True, aligns=("l", "r", "r", "r"))
    return f"{text}Expected calibration error {calibration['ece']:.3f}.\n"


def _counts(scores: Mapping[str, Any]) -> str:
    text = f"{scores['sentences']:,} sentences, {scores['words']:,} words"
    if scores["dropped_seen"]:
        text += f" ({scores['dropped_seen']:,} sentences dropped as seen in training)"
    return f"{text}; {scores['words_per_second']:,.0f} words/s at batch size {scores['batch_size']}."
