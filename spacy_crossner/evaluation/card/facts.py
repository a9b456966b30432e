"""All that is known about a pipeline, for its card."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

from ...fingerprints import encoder_title, is_adapted_encoder, record_path
from ..export import META_KEY as EXPORT_KEY
from .records import find_training, is_recorded, read_calibration, read_json, read_scores
from .stages import AUTOMATIC, GIVEN, DataSet, Stage, read_stages

# Components of which the labels are types of entities.
FACTORIES = ("crf_ner", "label_aware_ner", "moee_ner", "param_gen_ner", "ner", "entity_ruler")
# Layers with a pre-trained encoder, which they name.
ENCODERS = tuple(f"spacy_crossner.{name}.v1" for name in ("Encoder", "TransformerModel", "Tok2VecTransformer"))


@dataclass(frozen=True)
class Encoder:
    """A pre-trained encoder of a pipeline.

    name (str): its name: that of the original encoder if it was adapted and that is known.
    is_adapted (Optional[bool]): whether it was adapted to raw text; None if that is not known.
    corpus (Dict[str, int]): the sizes of this text by name; empty if they are not known.
    """

    name: str
    is_adapted: Optional[bool]
    corpus: Dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What is known about a pipeline.

    meta (Dict[str, Any]): its meta data.
    labels (List[str]): the types of entities.
    stages (List[Stage]): the stages of its training, at least the last one.
    encoders (List[Encoder]): its encoders.
    lists (List[str]): the lists of names whose mentions are features of words.
    calibration (Optional[Dict[str, Any]]): the results of `calibrate`.
    export (Optional[Dict[str, Any]]): the figures of `export`.
    scores (Optional[Dict[str, Any]]): the scores on test.
    """

    meta: Dict[str, Any]
    labels: List[str]
    stages: List[Stage]
    encoders: List[Encoder]
    lists: List[str]
    calibration: Optional[Dict[str, Any]]
    export: Optional[Dict[str, Any]]
    scores: Optional[Dict[str, Any]]

    @property
    def last(self) -> Stage:
        """The last stage."""
        return self.stages[-1]

    def sets(self, use: str) -> List[DataSet]:
        """Return the data of the last stage for a use, "train" or "dev"."""
        return [each for each in self.last.data if each.use == use]

    @property
    def trained_on(self) -> Optional[Dict[str, int]]:
        """The entities of the last stage's training by label, but for automatic labels; None if they are not known."""
        sets = [each for each in self.sets("train") if each.labels == GIVEN]
        if not sets or any(each.labels == "" for each in self.sets("train")):
            return None
        counts: Counter[str] = Counter()
        for each in sets:
            counts.update(each.entities)
        return {label: counts[label] for label in self.labels}

    @property
    def domains(self) -> List[str]:
        """The domains of the last stage's labelled training data."""
        sets = [each for each in self.sets("train") if each.labels == GIVEN]
        return sorted({domain for each in sets for domain in each.domains})

    @property
    def unused(self) -> List[str]:
        """The kinds of data that no stage has used; empty if that is not known."""
        sets = [each for stage in self.stages for each in stage.data if each.use == "train"]
        if self.stages[0].sources or any(each.labels == "" for each in sets) or not sets:
            return []
        domains = {domain for each in sets for domain in each.domains}
        # A list may have selected the raw text. Without an encoder, the origin of word vectors is not known.
        is_adapted = not self.encoders or any(encoder.is_adapted is not False for encoder in self.encoders)
        is_unused = {
            "a source set": len(self.stages) == 1 and len(domains) == 1,
            "raw text": not is_adapted and all(each.labels == GIVEN for each in sets),
            "a list of names": not is_adapted and not self.lists and all(each.labels != AUTOMATIC for each in sets),
        }
        return [name for name, value in is_unused.items() if value]

    @property
    def by_type(self) -> Optional[Dict[str, Dict[str, float]]]:
        """The strict scores on test by type; None if they are not known."""
        return self.scores["strict"]["per_type"] if self.scores else None


def collect_facts(model: Path, meta: Dict[str, Any], metrics: Optional[Path] = None) -> Facts:
    """Collect what is known about a pipeline.

    model (Path): its folder.
    meta (Dict[str, Any]): its meta data.
    metrics (Optional[Path]): the folder of the scores of `evaluate --all`.
    """
    calibration = read_calibration(model, meta)
    stages = read_stages(model, find_training(model, calibration))
    components = stages[-1].config["components"]
    names = [name for name, settings in components.items() if settings.get("factory") in FACTORIES]
    # The encoder of an exported pipeline has no name; that of the stage before has.
    layers = [layer for stage in stages for layer in find_layers(stage.config["components"])]
    encoders = [layer["name"] for layer in layers if layer["@architectures"] in ENCODERS]
    lists = [layer["names"] for layer in find_layers(components) if layer.get("names")]
    return Facts(
        meta,
        list(dict.fromkeys(label for name in names for label in meta.get("labels", {}).get(name, []))),
        stages,
        [read_encoder(name, stages) for name in dict.fromkeys(encoders)],
        [Path(path).name for value in lists for path in ([value] if isinstance(value, str) else value)],
        calibration,
        meta.get(EXPORT_KEY),
        read_scores(model, metrics),
    )


def find_layers(config: Any) -> Iterator[Dict[str, Any]]:
    """Yield the blocks of a config that describe a layer."""
    if isinstance(config, dict):
        if "@architectures" in config:
            yield config
        for value in config.values():
            yield from find_layers(value)


def read_encoder(name: str, stages: List[Stage]) -> Encoder:
    """Return what is known about an encoder.

    name (str): its name in the config.
    stages (List[Stage]): the stages, one of which has begun with it.
    """
    path, title = Path(name), encoder_title(name)
    if not is_adapted_encoder(path):
        # A folder that is gone may have been that of an adapted encoder.
        return Encoder(title, None if title != name and not path.exists() else False)
    if not any(is_recorded(name, stage.fingerprint) for stage in stages):
        return Encoder(title, None)
    record = read_json(record_path(path))
    is_adapted = record["fingerprint"].get("the text") != "none"
    return Encoder(record.get("base", title), is_adapted, record.get("corpus", {}))
