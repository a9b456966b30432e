"""Loading of a component, as in spaCy, and the state of its training for a checkpoint."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Self, Union

import srsly
from spacy import util
from spacy.pipeline.pipe import deserialize_config

from ..errors import CrossnerError, Errors
from ..storage.formats import check_format, with_format
from .bridge import drop_module, make_module
from .labels import LabelledComponent
from .losses import LossTerm, Teacher


class SavedComponent(LabelledComponent):
    """The part of a component for loading. spaCy's `TrainablePipe` does the saving."""

    losses: Dict[str, LossTerm]
    teacher: Optional[Teacher]

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from bytes; see spaCy's `TrainablePipe.from_bytes`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            # The labels are loaded first, because the module is made for them.
            "cfg": lambda data: self.load_cfg(srsly.json_loads(data)),
            "vocab": lambda data: self.vocab.from_bytes(data, exclude=exclude),
            "model": self.load_model,
        }
        with self._whole_or_nothing():
            util.from_bytes(bytes_data, deserialize, exclude)
        return self

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> Self:
        """Load the component from a folder; see spaCy's `TrainablePipe.from_disk`."""
        deserialize: Dict[str, Callable[[Any], Any]] = {
            "cfg": lambda file: self.load_cfg(deserialize_config(file)),
            "vocab": lambda folder: self.vocab.from_disk(folder, exclude=exclude),
            "model": lambda file: self.load_model(file.read_bytes()),
        }
        with self._whole_or_nothing():
            util.from_disk(path, deserialize, exclude)
        return self

    def load_cfg(self, saved: Dict[str, Any]) -> None:
        """Load saved labels, sizes and calibration.

        RAISES (CrossnerError): a later version of this package has saved them.
        """
        check_format(saved, f"component '{self.name}'")
        self.cfg.update(with_format(saved))

    def load_model(self, data: bytes) -> None:
        """Load saved weights, after `load_cfg` has loaded the labels."""
        if self.cfg["width"] is not None:
            make_module(self.model, self.cfg["width"], list(self.labels))
        self.model.from_bytes(data)

    @contextmanager
    def _whole_or_nothing(self) -> Iterator[None]:
        """Drop the head if loading fails, so that a partly loaded component never predicts."""
        try:
            yield
        except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
            drop_module(self.model)
            if isinstance(error, (CrossnerError, OSError)):
                raise
            raise CrossnerError(Errors.C003.format(module=f"component '{self.name}'", problem=error)) from error

    def training_state_to_bytes(self) -> bytes:
        """Return the state of training beside the weights: weights and states of the loss terms, and the teacher."""
        terms = {name: (term.weight, term.state_to_bytes()) for name, term in self.losses.items()}
        return srsly.msgpack_dumps({"terms": terms, "teacher": self.teacher.to_bytes() if self.teacher else b""})

    def training_state_from_bytes(self, bytes_data: bytes) -> None:
        """Restore the state that `training_state_to_bytes` returned."""
        state = srsly.msgpack_loads(bytes_data)
        for name, (weight, learned) in state["terms"].items():
            self.losses[name].weight = weight
            self.losses[name].state_from_bytes(learned)
        if self.teacher is not None and state["teacher"]:
            self.teacher.from_bytes(state["teacher"])
