"""A training stage: spaCy's `train`, with its length given in passes over the data."""

import math
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, Optional

import spacy
from spacy import util
from spacy.cli.train import train as spacy_train
from spacy.language import DEFAULT_CONFIG
from spacy.training import Example
from spacy.util import registry
from thinc.api import Config, ConfigValidationError

from ..errors import CrossnerError, Errors


def train(
    config_path: Path,
    output: Path,
    *,
    epochs: Optional[float] = None,
    min_steps: int = 0,
    evaluations: int = 4,
    use_gpu: int = -1,
    overrides: Optional[Dict[str, Any]] = None,
) -> None:
    """Train a pipeline and leave `model-best`, by the score on dev, and `model-last` in a folder.

    config_path (Path): the config.
    output (Path): the folder.
    epochs (Optional[float]): passes over the training corpus; sets `training.max_steps` and, with it, the schedule.
        The config's own values if not given.
    min_steps (int): with `epochs`, no fewer steps than this, for small corpora.
    evaluations (int): with `epochs`, how often dev is scored, besides the start; the last step is scored.
    use_gpu (int): GPU, -1 for CPU.
    overrides (Optional[Dict]): settings of the config by dotted name.
    RAISES (CrossnerError): the config or a file that it names is missing, or the length makes no sense.
    """
    overrides = dict(overrides or {})
    if evaluations < 1 or (epochs is not None and epochs <= 0):
        raise CrossnerError(Errors.C013.format(epochs=epochs, evaluations=evaluations))
    if not config_path.is_file():
        raise CrossnerError(Errors.C009.format(path=config_path))
    with _named_errors():
        config = DEFAULT_CONFIG.merge(util.load_config(config_path, overrides=overrides)).interpolate()
        # Before any work: spaCy would meet a missing dev set only once all is initialized.
        next(iter(resolve_corpus(config, "dev_corpus")), None)
        batches = count_batches(config) if epochs is not None else 0
    if epochs is not None:
        frequency = math.ceil(max(epochs * batches, min_steps) / evaluations)
        overrides["training.eval_frequency"] = frequency
        overrides["training.max_steps"] = frequency * evaluations
    with _named_errors():
        spacy_train(config_path, output, use_gpu=use_gpu, overrides=overrides)


def count_batches(config: Config) -> int:
    """Return how many batches one pass over the training corpus of a complete config has."""
    batcher = registry.resolve({"batcher": config["training"]["batcher"]})["batcher"]
    return sum(1 for _ in batcher(resolve_corpus(config, "train_corpus")))


def resolve_corpus(config: Config, name: str) -> Iterable[Example]:
    """Return the examples of one pass over the `train_corpus` or `dev_corpus` of a complete config."""
    (corpus,) = util.resolve_dot_names(config, [config["training"][name]])
    return corpus(spacy.blank(config["nlp"]["lang"]))


@contextmanager
def _named_errors() -> Iterator[None]:
    """Pass on what spaCy says of a setting or a file as an error that the user can mend."""
    try:
        yield
    except CrossnerError:
        raise
    except (ConfigValidationError, OSError) as error:
        raise CrossnerError(str(error).strip()) from error
    except ValueError as error:
        # spaCy's own errors have codes; any other may be a fault of ours and keeps its traceback.
        if not str(error).startswith("[E") and "GPU" not in str(error):
            raise
        raise CrossnerError(str(error)) from error
