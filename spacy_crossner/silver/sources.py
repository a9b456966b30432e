"""The inputs of weak labelling."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import List, Optional, Sequence

from ..fingerprints import Fingerprint, path_digest, text_digest, version_fingerprint
from ..storage.installed import pipeline_package
from .settings import SilverSettings


@dataclass(frozen=True)
class Sources:
    """The inputs of weak labelling.

    raw (Sequence[Path]): the text, plain or gzipped (`.gz`), with a sentence or a paragraph on each line.
    names (Sequence[Path]): name lists with types, see `read_entities`.
    type_map (Optional[Path]): a map from the types of the lists to labels, see `read_type_map`.
    gold (Optional[Path]): a DocBin of gold sentences. Its entities are names, too, and its rare types are preferred.
    teachers (Sequence[str]): folders of pipelines, or names of installed ones.
    exclude (Sequence[Path]): dev and test files whose sentences are left out, see `read_excluded`.
    check (Optional[Path]): a DocBin of gold sentences that are labelled in the same way, to see how good the labels
        are; see `check_labels`. Usually the dev set. The labels of the raw text do not depend on it.
    """

    raw: Sequence[Path]
    names: Sequence[Path] = ()
    type_map: Optional[Path] = None
    gold: Optional[Path] = None
    teachers: Sequence[str] = ()
    exclude: Sequence[Path] = ()
    check: Optional[Path] = None

    def files(self) -> List[Path]:
        """Return all files that are read."""
        single = [path for path in (self.type_map, self.gold, self.check) if path]
        return [*self.raw, *self.names, *single, *self.exclude]

    def fingerprint(self, settings: SilverSettings) -> Fingerprint:
        """Return everything that the output depends on."""
        fingerprint = {name: str(value) for name, value in asdict(settings).items()}
        if not settings.limit:
            # It draws the subset and nothing else.
            del fingerprint["seed"]
        fingerprint.update({f"file {i}": text_digest(path) for i, path in enumerate(self.files())})
        kinds = [len(self.raw), len(self.names), bool(self.type_map), bool(self.gold), bool(self.check)]
        fingerprint["kinds of files"] = str(kinds)
        for i, model in enumerate(self.teachers):
            fingerprint[f"teacher {i}"] = path_digest(pipeline_package(model) or Path(model))
        return {**fingerprint, **version_fingerprint()}
