"""The section of a model card on how the pipeline was made."""

import json
from typing import Dict, List

from ...training.averaging import MEAN
from .facts import Encoder, Facts
from .markdown import UNKNOWN, code, table
from .stages import Stage

PACKAGES = ("spacy-crossner", "spacy", "torch", "transformers")


def making(facts: Facts) -> List[str]:
    """Return the table of the components, the encoder, the length of each stage, and the versions."""
    rows = [["component", name] for name in components(facts.last)]
    rows += [["encoder", encoder_origin(encoder)] for encoder in facts.encoders]
    if facts.export:
        numbers = ", with 8-bit integers" if facts.export["int8"] else ""
        rows.append(["the encoder runs on", f"{facts.export['backend']}{numbers}"])
    for number, stage in enumerate(facts.stages, start=1):
        rows.append([f"stage {number}", length(stage)])
    device = facts.last.fingerprint.get("the device")
    rows += [["trained on", device]] if device else []
    rows += [[name, version] for name, version in versions(facts).items()]
    return [table(["part", "value"], rows)]


def components(stage: Stage) -> List[str]:
    """Return the factory and the architecture of each component."""
    named = []
    for name, settings in stage.config["components"].items():
        architecture = (settings.get("model") or {}).get("@architectures")
        parts = [settings.get("factory", UNKNOWN), *([architecture] if architecture else [])]
        named.append(f"{code(name)}: {', '.join(map(code, parts))}")
    return named


def encoder_origin(encoder: Encoder) -> str:
    """Return the name of an encoder, and whether it was adapted."""
    return f"{code(encoder.name)}{', adapted to raw text' if encoder.is_adapted else ''}"


def length(stage: Stage) -> str:
    """Return the number of steps of a stage, and its seeds."""
    if not stage.record:
        return UNKNOWN
    training = stage.config["training"]
    may_end_early = training["patience"] or training["max_epochs"] > 0
    steps = f"{'at most ' if may_end_early else ''}{training['max_steps']:,} steps"
    first = json.loads(stage.fingerprint.get("system.seed", "null"))
    seeds = json.loads(stage.fingerprint.get("seeds", "1"))
    if first is None:
        return steps
    if seeds == 1:
        return f"{steps}, seed {first}"
    saved = stage.record.get("dev_scores", {}).get("saved", MEAN)
    which = MEAN if saved == MEAN else "the best of them on dev"
    return f"{steps}, {seeds} trainings with seeds {first} to {first + seeds - 1}; saved: {which}"


def versions(facts: Facts) -> Dict[str, str]:
    """Return the versions of the libraries with which the pipeline was trained."""
    found = {name: facts.last.fingerprint.get(f"the version of {name}", "") for name in PACKAGES}
    return {name: version for name, version in found.items() if version}
