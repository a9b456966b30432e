"""Divergence: a loss or a weight is not a finite number any more.

Training stops before such weights are saved. It writes `diverged.json` to its output folder. A later call with the same
settings reads this file and stops, since it would diverge again.
"""

import json
import math
from pathlib import Path
from typing import Any, Mapping, Optional, Tuple

import srsly

from ..data.files import write_files
from ..errors import CrossnerError, Errors
from ..fingerprints import Fingerprint

NOTE = "diverged.json"


class Diverged(ArithmeticError):
    """Training has diverged.

    step (int): the step, counted from 0.
    what (str): the loss term or the weight that is not finite.
    value (str): its value.
    """

    def __init__(self, step: int, what: str, value: str) -> None:
        super().__init__(f"step {step}: {what} is {value}")
        self.step, self.what, self.value = step, what, value


def infinite_loss(losses: Mapping[str, Any]) -> Optional[Tuple[str, str]]:
    """Return a loss term that is not finite, and its value; None if all losses are finite.

    losses (Mapping[str, Any]): losses by component name (`ner`) and by component and term name (`ner.nll`).
    """
    infinite = {name: float(value) for name, value in losses.items() if not math.isfinite(float(value))}
    # Terms first: a component's loss is only the sum of its terms.
    for name in sorted(infinite, key=lambda name: "." not in name):
        return f"the loss {'term ' if '.' in name else 'of '}'{name}'", str(infinite[name])
    return None


def note_divergence(output: Path, fingerprint: Fingerprint, problem: str) -> None:
    """Record for later calls that training has diverged."""
    content = {"problem": problem, "fingerprint": fingerprint}
    write_files({output / NOTE: (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()})


def forget_divergence(output: Path) -> None:
    """Remove the record of an earlier divergence."""
    (output / NOTE).unlink(missing_ok=True)


def refuse_divergence(output: Path, fingerprint: Fingerprint) -> None:
    """Raise an error if training has diverged before with the same fingerprint.

    RAISES (CrossnerError): a training run with the same fingerprint has diverged.
    """
    try:
        note = srsly.read_json(output / NOTE)
        is_same, problem = note["fingerprint"] == fingerprint, note["problem"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if is_same:
        raise CrossnerError(Errors.C071.format(output=output, problem=problem))
