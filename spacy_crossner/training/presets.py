"""Recipes by the size of the encoder: a large one needs a lower learning rate, and more steps on few sentences."""

import math
from typing import Any, Mapping, NamedTuple, Optional

from spacy.language import Language

from ..errors import CrossnerError, Errors

AUTO = "auto"
RATE = "training.optimizer.encoder_rate"
# Width from which an encoder has the size of BERT-base.
BASE_WIDTH = 768


class Preset(NamedTuple):
    """A recipe, relative to a config, which is written for a small encoder.

    rate (float): factor on the learning rate of the encoder.
    min_steps (int): minimum number of steps, if the length is given in epochs. It matters for small corpora only.
    """

    rate: float = 1.0
    min_steps: int = 0


# One run with MPNet-base (width 768) was measured with the rate of "base", see docs/results.md. Other rates were not.
PRESETS = {"small": Preset(), "base": Preset(rate=1 / 3, min_steps=600)}


def check_preset(name: str) -> None:
    """Check the name of a preset.

    RAISES (CrossnerError): there is no such preset.
    """
    if name not in (AUTO, *PRESETS):
        raise CrossnerError(Errors.C521.format(preset=name, known=", ".join((AUTO, *PRESETS))))


def encoder_width(nlp: Language) -> int:
    """Return the width of the widest pre-trained encoder of a pipeline; 0 without one."""
    models = (pipe.model for _, pipe in nlp.components if hasattr(pipe, "model"))
    modules = (getattr(shim, "_model", None) for model in models for node in model.walk() for shim in node.shims)
    return max((getattr(getattr(module, "config", None), "hidden_size", 0) for module in modules), default=0)


def apply_preset(nlp: Language, name: str, overrides: Mapping[str, Any], evaluations: Optional[int]) -> str:
    """Change the training settings of a pipeline by a preset.

    nlp (Language): the pipeline; `nlp.config` is changed.
    name (str): the name of the preset; "auto" chooses by the widest encoder.
    overrides (Mapping[str, Any]): settings that the user has given. A given rate is not changed.
    evaluations (Optional[int]): number of evaluations if the length was given in epochs, otherwise None.
    RETURNS (str): a message that says what was changed; "" if nothing was.
    """
    width = encoder_width(nlp)
    if name == AUTO:
        name = "base" if width >= BASE_WIDTH else "small"
    preset = PRESETS[name]
    training, given = nlp.config["training"], nlp.config.interpolate()["training"]
    changes = []
    if preset.rate != 1.0 and RATE not in overrides and "encoder_rate" in given["optimizer"]:
        rate = given["optimizer"]["encoder_rate"] * preset.rate
        training["optimizer"]["encoder_rate"] = rate
        changes.append(f"encoder rate {rate:.2g}")
    if evaluations is not None and given["max_steps"] < preset.min_steps:
        training["eval_frequency"] = math.ceil(preset.min_steps / evaluations)
        training["max_steps"] = training["eval_frequency"] * evaluations
        changes.append(f"{training['max_steps']} steps")
    if not changes:
        return ""
    return (
        f"Preset {name} for an encoder of width {width}: {', '.join(changes)}. --preset small takes the config's values"
    )
