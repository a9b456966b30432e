"""The soft labels of a doc: a probability of each tag at each token, as a teacher gives it."""

from typing import List, NamedTuple, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

# A plain `user_data` key with an array, which `Doc.to_bytes` and DocBin can store.
SOFT_LABELS_KEY = "soft_labels"
# Smaller probabilities are stored as 0. Most of a row is 0, and a DocBin is compressed.
SMALLEST = 1e-3


class SoftLabels(NamedTuple):
    """The soft labels of a doc.

    labels (List[str]): the entity labels.
    probabilities (NDArray): the probability of each tag of `label_tags(labels)`, shape (n_tokens, n_tags).
        Probabilities below 0.001 are 0; so a row may sum to less than 1.
    """

    labels: List[str]
    probabilities: NDArray[np.float16]


def get_soft_labels(doc: Doc) -> Optional[SoftLabels]:
    """Return the soft labels of a doc; None if it has none."""
    stored = doc.user_data.get(SOFT_LABELS_KEY)
    return None if stored is None else SoftLabels(list(stored["labels"]), stored["probabilities"])


def set_soft_labels(doc: Doc, labels: Sequence[str], probabilities: NDArray[np.floating]) -> None:
    """Store soft labels on a doc, in half precision; see `SoftLabels`."""
    kept = np.where(probabilities < SMALLEST, 0, probabilities).astype(np.float16)
    doc.user_data[SOFT_LABELS_KEY] = {"labels": list(labels), "probabilities": kept}


def copy_soft_labels(source: Doc, target: Doc) -> None:
    """Give a doc the soft labels of another doc with the same tokens, if it has any."""
    if SOFT_LABELS_KEY in source.user_data:
        target.user_data[SOFT_LABELS_KEY] = source.user_data[SOFT_LABELS_KEY]
