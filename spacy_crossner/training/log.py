"""The log of a training run: one row for each evaluation, in `log.jsonl` of the output folder and in checkpoints.

It does not depend on the logger of the config, so each run leaves the same log and curve.
"""

from pathlib import Path
from typing import Any, Dict, List, Sequence

import srsly
from spacy.language import Language

from ..data.files import write_files

LOG, CURVE = "log.jsonl", "curve.png"
# One evaluation, see `make_row`.
Row = Dict[str, Any]


def score_names(nlp: Language) -> List[str]:
    """Return the names of the scores that have a weight in the config of a pipeline."""
    return [name for name, weight in nlp.config["training"]["score_weights"].items() if weight]


def make_row(info: Dict[str, Any], names: Sequence[str]) -> Row:
    """Return the row of an evaluation.

    info (Dict[str, Any]): the input of a spaCy logger.
    names (Sequence[str]): the names of the scores to log.
    RETURNS (Row): `epoch`, `step`, `losses` (sums since the last evaluation, by component and by loss term), `scores`,
        `score`, `seconds` and `words`.
    """
    return {
        "epoch": info["epoch"],
        "step": info["step"],
        "losses": {name: float(value) for name, value in info["losses"].items()},
        "scores": {name: float(info["other_scores"].get(name) or 0.0) for name in names},
        "score": float(info["score"]),
        "seconds": info["seconds"],
        "words": info["words"],
    }


def write_log(output: Path, rows: Sequence[Row]) -> None:
    """Write `log.jsonl` to the output folder of a training.

    RAISES (DataError): the file cannot be written.
    """
    lines = (srsly.json_dumps(row) + "\n" for row in rows)
    write_files({output / LOG: "".join(lines).encode("utf8")})


def read_log(output: Path) -> List[Row]:
    """Return the rows of the log in the output folder of a training; empty without a log."""
    return list(srsly.read_jsonl(output / LOG)) if (output / LOG).is_file() else []


def forget_log(output: Path) -> None:
    """Remove the log and the curve of an earlier training from an output folder."""
    for name in (LOG, CURVE):
        (output / name).unlink(missing_ok=True)
