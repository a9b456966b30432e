"""The stages of a training, the first one first, and the data of each."""

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

from spacy import util
from thinc.api import Config

from ...annotations.domains import get_domain
from ...data.tokenizing import blank_pipeline
from ...errors import CrossnerError
from ...fingerprints import Fingerprint, file_digest, record_path
from ...training.readers import DomainReader, whole_blocks
from .records import find_training, is_recorded, read_calibration, read_json

SOURCE = re.compile(r"components\.[^.]+\.source")
DOMAIN_READER = "spacy_crossner.DomainReader.v1"
GIVEN, AUTOMATIC, NONE = "as given", "automatic", "none"


@dataclass(frozen=True)
class DataSet:
    """A file that a stage was trained on, or that scored it.

    file (str): the name of the file.
    use (str): "train" or "dev".
    labels (str): "as given", "automatic" (from lists or from pipelines), or "none"; "" if it is not known.
    domains (Sequence[str]): the domain marks of its sentences; empty if they are not known.
    sentences (Optional[int]): the number of sentences that were used; None if it is not known.
    entities (Dict[str, int]): the number of entities by label.
    """

    file: str
    use: str
    labels: str = ""
    domains: Sequence[str] = ()
    sentences: Optional[int] = None
    entities: Dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A stage of a training.

    config (Config): its config.
    record (Dict[str, Any]): its record, see `write_record`; empty without one.
    data (List[DataSet]): its data.
    sources (List[str]): the pipelines that it continues from.
    """

    config: Config
    record: Dict[str, Any]
    data: List[DataSet]
    sources: List[str]

    @property
    def fingerprint(self) -> Fingerprint:
        """The inputs of the stage; empty without a record."""
        fingerprint: Fingerprint = self.record.get("fingerprint", {})
        return fingerprint


def read_stages(model: Path, record: Dict[str, Any]) -> List[Stage]:
    """Return the stages that have made a pipeline. Those before a stage without a record are not known.

    model (Path): the folder of the pipeline.
    record (Dict[str, Any]): the record of its training.
    """
    fingerprint = record.get("fingerprint", {})
    config = util.load_config(model / "config.cfg", interpolate=True)
    sources = sorted({json.loads(value) for name, value in fingerprint.items() if SOURCE.fullmatch(name)} - {None})
    before: List[Stage] = []
    for source in sources:
        # An installed pipeline has no record beside it.
        if Path(source).is_dir() and is_recorded(source, fingerprint):
            calibration = read_calibration(Path(source), read_json(Path(source) / "meta.json"))
            before += read_stages(Path(source), find_training(Path(source), calibration))
    data = [*read_sets(config, "train", fingerprint), *read_sets(config, "dev", fingerprint)]
    return [*before, Stage(config, record, data, sources)]


def read_sets(config: Config, use: str, fingerprint: Fingerprint) -> List[DataSet]:
    """Return the data of a corpus of a stage. Its content is counted if the files are unchanged since the training.

    config (Config): the config of the stage.
    use (str): the name of the corpus, "train" or "dev".
    fingerprint (Fingerprint): the inputs of the stage.
    """
    corpus = config.get("corpora", {}).get(use) or {}
    if corpus.get("@readers") != DOMAIN_READER:
        return [DataSet(Path(corpus["path"]).name, use)] if corpus.get("path") else []
    blocks = {name: block for name, block in corpus["domains"].items() if block.get("path")}
    sets = []
    for name, block in blocks.items():
        if is_recorded(block["path"], fingerprint):
            sets.append(count_set(name, block, use, corpus, config["nlp"]["lang"]))
        else:
            sets.append(DataSet(Path(block["path"]).name, use, NONE if block.get("role") == "unlabelled" else ""))
    # An empty file stands for data that the project did not have.
    return [each for each in sets if each.sentences != 0]


def count_set(name: str, block: Dict[str, Any], use: str, corpus: Dict[str, Any], lang: str) -> DataSet:
    """Count the sentences and entities of a block of a `DomainReader`, after its limits.

    name (str): the name of the block.
    block (Dict[str, Any]): its settings.
    use (str): "train" or "dev".
    corpus (Dict[str, Any]): the settings of the reader.
    lang (str): the language of the pipeline.
    """
    path, role = Path(block["path"]), block.get("role", "labelled")
    if role == "unlabelled" and path.suffix != ".spacy":
        # Its sentences are not counted, since the pipeline would have to tokenize them.
        return DataSet(path.name, use, NONE)
    subset = {key: corpus[key] for key in ("seed", "limit", "subset_seed") if key in corpus}
    try:
        reader = DomainReader(whole_blocks({name: block}, keep_limit=True), **subset)
        docs = [example.reference for example in reader(blank_pipeline(lang))]
    except CrossnerError:
        return DataSet(path.name, use)
    made = read_json(record_path(path.parent, path.name)).get("made", {})
    is_automatic = made.get(path.name) == file_digest(path)
    labels = NONE if role == "unlabelled" else AUTOMATIC if is_automatic else GIVEN
    counts = Counter(ent.label_ for doc in docs for ent in doc.ents)
    domains = sorted({get_domain(doc) or name for doc in docs})
    return DataSet(path.name, use, labels, domains, len(docs), dict(counts))
