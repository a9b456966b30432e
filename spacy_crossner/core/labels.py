"""The labels of a component. Labels can be added; existing labels keep their weights."""

from typing import Any, Dict, Iterable, List, Set, Tuple

from spacy.errors import Errors as SpacyErrors
from spacy.vocab import Vocab

from .bridge import HeadModel, grow_module, has_module


class LabelledComponent:
    """The part of a component that knows its labels."""

    name: str
    vocab: Vocab
    model: HeadModel
    # Values that are saved beside the weights.
    cfg: Dict[str, Any]
    # Labels that were added to a trained component and not trained yet.
    untrained: Set[str]

    @property
    def labels(self) -> Tuple[str, ...]:
        """The entity labels, in the order in which they were added."""
        return tuple(self.cfg["labels"])

    @property
    def label_data(self) -> List[str]:
        """The labels in the form that `initialize` takes."""
        return list(self.labels)

    def add_label(self, label: str) -> int:
        """Add an entity label. In a trained component, the existing labels keep their weights.

        label (str): the label.
        RETURNS (int): 1 if it was added, 0 if it exists already.
        """
        if not isinstance(label, str):
            raise ValueError(SpacyErrors.E187)
        return self.add_labels([label])

    def add_labels(self, labels: Iterable[str]) -> int:
        """Add entity labels; see `add_label`.

        labels (Iterable[str]): the labels; existing labels are ignored.
        RETURNS (int): the number of new labels.
        """
        new = [label for label in dict.fromkeys(labels) if label not in self.labels]
        if new:
            self.cfg["labels"] = [*self.labels, *new]
            for label in new:
                self.vocab.strings.add(label)
            if has_module(self.model):
                self.untrained.update(new)
                grow_module(self.model, list(self.labels))
        return len(new)
