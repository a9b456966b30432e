"""A teacher that reads the soft labels of docs, for the loss term `Distillation`."""

from typing import Sequence

import torch
from torch import Tensor

from ..annotations.soft_labels import SoftLabels, get_soft_labels
from ..annotations.tags import label_tags
from ..core.component import SequenceNER
from ..core.doc_windows import Rows
from ..encoders.word_encoder import to_device
from ..errors import CrossnerError, Errors


class SoftLabelTeacher:
    """A teacher whose predictions are stored on the docs, see `annotations.soft_labels`. It never changes.

    component (SequenceNER): the component that learns from it.
    """

    def __init__(self, component: SequenceNER) -> None:
        self.component = component

    def log_probabilities(self, rows: Rows, tags: Tensor, selected: Tensor) -> Tensor:
        """Return the log-probability of each tag at each token.

        rows (Rows): the rows of the batch.
        tags (Tensor): gold tag indices, shape (n_rows, n_tokens). Only their shape is used.
        selected (Tensor): the rows to read, bool, shape (n_rows,).
        RETURNS (Tensor): shape (n_rows, n_tokens, n_tags), -inf for a probability of 0; 0 in all other rows.
        RAISES (CrossnerError): a selected doc has no soft labels, or one of its labels is not the component's.
        """
        labels = self.component.labels
        answers = tags.new_zeros((*tags.shape, 1 + 2 * len(labels)), dtype=torch.float32)
        for i in selected.nonzero().squeeze(1).tolist():
            window = rows.windows[i]
            words = rows.words[window.doc]
            soft = get_soft_labels(words.source)
            if soft is None or len(soft.probabilities) != len(words.columns):
                raise CrossnerError(Errors.C613.format(name=self.component.name, text=words.source.text[:60]))
            probabilities = soft.probabilities if words.places is None else soft.probabilities[words.places]
            stored = torch.from_numpy(probabilities[window.start : window.end].astype("float32"))
            of_row = torch.zeros((len(stored), answers.shape[2]))
            of_row[:, self._places(soft, labels)] = stored
            answers[i, : len(stored)] = to_device(of_row.log().numpy(), answers.device)
        return answers

    def _places(self, soft: SoftLabels, labels: Sequence[str]) -> Tensor:
        """Return the index of each stored tag among the tags of the component."""
        unknown = sorted(set(soft.labels) - set(labels))
        if unknown:
            raise CrossnerError(
                Errors.C614.format(name=self.component.name, label=unknown[0], labels=", ".join(labels))
            )
        index = {tag: i for i, tag in enumerate(label_tags(labels))}
        return torch.tensor([index[tag] for tag in label_tags(soft.labels)])

    def finish_update(self) -> None:
        """Do nothing: the soft labels never change."""

    def to_bytes(self) -> bytes:
        """Return no state, for a checkpoint: the corpus holds the soft labels."""
        return b""

    def from_bytes(self, data: bytes) -> None:
        """Restore nothing."""
