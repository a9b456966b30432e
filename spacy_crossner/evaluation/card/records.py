"""What is recorded about a pipeline: its training, its calibration, its encoders and its test scores.

A record is only used if the digests in it are those of the files that it is about.
"""

import math
from pathlib import Path
from typing import Any, Dict, Optional

import srsly
from wasabi import msg

from ...errors import Errors
from ...fingerprints import RECORD, Fingerprint, encoder_digest, path_digest
from ..temperature import CALIBRATION_KEY
from ..ways import PIPELINE

# Entries of a fingerprint that every training has, and no other record.
OF_TRAINING = "training.max_steps"


def read_calibration(model: Path, meta: Dict[str, Any]) -> Optional[Dict[str, Any]]:
    """Return the calibration of a pipeline, see `calibrate_files`; None if it has none, or was changed after it.

    model (Path): the folder of the pipeline.
    meta (Dict[str, Any]): its meta data.
    """
    found: Optional[Dict[str, Any]] = meta.get(CALIBRATION_KEY)
    for row in found["components"] if found else []:
        settings = read_json(model / row["component"] / "cfg")
        for name, value in (("temperature", row["temperature"]["after"]), ("threshold", row["threshold"])):
            # An update resets both.
            if not math.isclose(settings.get(name) or 0.0, value, rel_tol=1e-6):
                return None
    return found


def find_training(model: Path, calibration: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    """Return the record of the training that has made a pipeline, see `write_record`; empty if there is none.

    The record is in the folder that contains the pipeline. Of self-training it is that of the round's teacher.

    model (Path): the folder of the pipeline.
    calibration (Optional[Dict[str, Any]]): its calibration. Its training is that of the pipeline before.
    """
    digest = calibration["pipeline"] if calibration else path_digest(model)
    folder = model.parent
    for path in [folder / RECORD, *sorted(folder.glob(f"round-*/teachers/*/{RECORD}"))]:
        record = read_json(path)
        if digest not in record.get("made", {}).values():
            continue
        inputs: Fingerprint = record.get("fingerprint", {})
        if OF_TRAINING in inputs:
            return record
        # The record of the mean of the weights of teachers has their digests.
        averaged = set(inputs.values())
        teachers = map(read_json, sorted(path.parent.parent.glob(f"*/{RECORD}")))
        members = [teacher for teacher in teachers if averaged & set(teacher.get("made", {}).values())]
        if members and OF_TRAINING in members[0].get("fingerprint", {}):
            return {"fingerprint": {**members[0]["fingerprint"], "seeds": str(len(members))}}
    return {}


def is_recorded(path: str, fingerprint: Fingerprint) -> bool:
    """Return whether a file or folder that a training has read is unchanged since then."""
    recorded = fingerprint.get(f"the content of {path}")
    return bool(recorded) and recorded in (path_digest(Path(path)), encoder_digest(path))


def read_scores(model: Path, metrics: Optional[Path]) -> Optional[Dict[str, Any]]:
    """Return the test scores of a pipeline. Without them a warning is printed.

    model (Path): the folder of the pipeline, `<way>/calibrated`.
    metrics (Optional[Path]): the folder of the scores of `evaluate --all`, `<way>.json`; None if there is none.
    """
    if metrics is None:
        return None
    path = metrics / f"{model.resolve().parent.name}.json"
    scores = read_json(path)
    if scores.get("fingerprint", {}).get(PIPELINE) == path_digest(model):
        return scores
    found = "holds scores of another pipeline" if path.is_file() else "does not exist"
    msg.warn(Errors.C640.format(path=path, found=found, model=model))
    return None


def read_json(path: Path) -> Dict[str, Any]:
    """Return the content of a JSON file; empty if the file is missing or damaged."""
    try:
        content = srsly.read_json(path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
