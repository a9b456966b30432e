"""Calibrate, score and rank the pipelines of all ways of training in a project.

A folder such as `training/ai/laner` contains a folder for each way of training (`dapt`, `no-dapt`, `direct`). It holds
the trained pipeline, `<way>/model-best`, and the calibrated pipeline, `<way>/calibrated`.
"""

import json
import statistics
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import srsly
from wasabi import msg

from ..data.files import write_files
from ..errors import CrossnerError
from ..fingerprints import (
    RECORD,
    Fingerprint,
    differences,
    in_words,
    is_up_to_date,
    path_digest,
    record_path,
    text_digest,
    version_fingerprint,
    write_record,
)
from ..storage.locks import only_writer
from .evaluate import score_files
from .temperature import calibrate_files

TRAINED, CALIBRATED = "model-best", "calibrated"
PIPELINE, DATA = "the pipeline", "the data"

C210 = "[C210] {folder} contains no {folder}/WAY/{name}. Train a pipeline first, or give another folder."
C211 = (
    "[C211] {way} is not calibrated, or was trained again after calibration. Run `spacy crossner calibrate {folder} "
    "DEV --all` first."
)
C212 = (
    "[C212] {ways} were calibrated on different dev sets, so that their F1 cannot be compared. Run `spacy crossner "
    "calibrate {folder} DEV --all` first."
)


class Calibrated(NamedTuple):
    """A calibrated pipeline.

    path (Path): its folder.
    results (Optional[List[Dict[str, Any]]]): the result of `calibrate` for each component; None if it was up to date.
    """

    path: Path
    results: Optional[List[Dict[str, Any]]]


class Scored(NamedTuple):
    """A scored pipeline.

    path (Path): the file of its scores.
    scores (Dict[str, Any]): the scores, see `evaluate_files`.
    """

    path: Path
    scores: Dict[str, Any]


def find_ways(folder: Path, name: str = TRAINED) -> List[Path]:
    """Return the folders of the ways with a pipeline. Ways with unfinished training are left out with a warning.

    folder (Path): the folder of the ways.
    name (str): the name of the pipeline in each way.
    RAISES (CrossnerError): there is no such pipeline.
    """
    ways = sorted(path.parent for path in folder.glob(f"*/{name}") if path.is_dir())
    for way in [way for way in ways if not (way / RECORD).is_file()]:
        msg.warn(f"{way} is skipped: its training is not finished")
        ways.remove(way)
    if not ways:
        raise CrossnerError(C210.format(folder=folder, name=name))
    return ways


def calibrate_ways(
    folder: Path, data: Path, *, component: Optional[str] = None, threshold: bool = True, gpu_id: int = -1
) -> Iterator[Calibrated]:
    """Calibrate the trained pipeline of each way, except those whose calibration is up to date.

    folder (Path): the folder of the ways.
    data (Path): the annotated DocBin.
    component (Optional[str]): as in `calibrate_files`.
    threshold (bool): as in `calibrate_files`.
    gpu_id (int): the GPU, -1 for the CPU.
    YIELDS (Calibrated): each calibrated pipeline.
    RAISES (CrossnerError): there is no pipeline; or see `calibrate_files`.
    """
    for way in find_ways(folder):
        output = way / CALIBRATED
        with only_writer(output):
            fingerprint = _fingerprint(way / TRAINED, data, gpu_id, component=component, threshold=threshold)
            if is_up_to_date(way, fingerprint, CALIBRATED):
                yield Calibrated(output, None)
                continue
            results = calibrate_files(
                str(way / TRAINED), data, output, component=component, threshold=threshold, force=True, gpu_id=gpu_id
            )
            dev_f = statistics.mean(row["f"]["after"] for row in results)
            write_record(way, fingerprint, [CALIBRATED], CALIBRATED, dev_f=dev_f)
        yield Calibrated(output, results)


def evaluate_ways(
    folder: Path,
    data: Path,
    output: Path,
    *,
    gpu_id: int = -1,
    batch_size: Optional[int] = None,
    from_text: bool = False,
) -> Iterator[Scored]:
    """Score the calibrated pipeline of each way, except those whose scores are up to date.

    folder (Path): the folder of the ways.
    data (Path): the annotated DocBin.
    output (Path): the folder for the scores, `<way>.json`.
    gpu_id (int): the GPU, -1 for the CPU.
    batch_size (Optional[int]): as in `evaluate_files`.
    from_text (bool): as in `evaluate_files`.
    YIELDS (Scored): each scored pipeline.
    RAISES (CrossnerError): there is no pipeline; or see `evaluate_files`.
    """
    for way in find_ways(folder, CALIBRATED):
        model, path = way / CALIBRATED, output / f"{way.name}.json"
        fingerprint = _fingerprint(model, data, gpu_id, batch_size=batch_size, from_text=from_text)
        scores = _read_scores(path, fingerprint)
        if scores is None:
            scores, _ = score_files(str(model), data, gpu_id=gpu_id, batch_size=batch_size, from_text=from_text)
            scores = {**scores, "fingerprint": fingerprint}
            write_files({path: (json.dumps(scores, indent=2, ensure_ascii=False) + "\n").encode("utf8")})
        yield Scored(path, scores)


def rank_ways(folder: Path) -> Dict[Path, float]:
    """Return the dev F1 of each way after calibration, the best first.

    folder (Path): the folder of the ways.
    RAISES (CrossnerError): there is no pipeline, a pipeline has no calibration or an outdated one, or the pipelines
        were calibrated on different dev sets.
    """
    f_scores, dev_sets = {}, set()
    for way in find_ways(folder):
        try:
            record = srsly.read_json(record_path(way, CALIBRATED))
            is_current = record["fingerprint"][PIPELINE] == path_digest(way / TRAINED)
            is_current &= record["made"][CALIBRATED] == path_digest(way / CALIBRATED)
            f_scores[way] = float(record["dev_f"])
            dev_sets.add(record["fingerprint"][DATA])
        except (OSError, ValueError, KeyError, TypeError):
            is_current = False
        if not is_current:
            raise CrossnerError(C211.format(way=way, folder=folder))
    if len(dev_sets) > 1:
        raise CrossnerError(C212.format(ways=", ".join(way.name for way in f_scores), folder=folder))
    return dict(sorted(f_scores.items(), key=lambda item: -item[1]))


def _fingerprint(model: Path, data: Path, gpu_id: int, **settings: Any) -> Fingerprint:
    """Return the fingerprint of a calibration or of scores."""
    fingerprint = {name: json.dumps(value) for name, value in settings.items()}
    fingerprint.update({PIPELINE: path_digest(model), DATA: text_digest(data)})
    fingerprint.update(version_fingerprint())
    fingerprint["the device"] = "GPU" if gpu_id >= 0 else "CPU"
    return fingerprint


def _read_scores(path: Path, fingerprint: Fingerprint) -> Optional[Dict[str, Any]]:
    """Return the scores in a file if they are up to date; otherwise None."""
    try:
        scores: Dict[str, Any] = srsly.read_json(path)
        changed = differences(scores["fingerprint"], fingerprint)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if changed:
        msg.info(f"{path} is out of date. Changed since it was written: {in_words(changed)}")
        return None
    msg.info(f"{path} is up to date")
    return scores
