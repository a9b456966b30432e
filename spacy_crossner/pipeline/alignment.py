"""Tag indices from gold annotation and spans from tag indices. The order of tags is that of `tags.label_tags`."""

from typing import Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example

from ..tags import label_tags, split_tag

MISSING = -1
UNKNOWN_LABEL = -2

# spaCy's codes of Token.ent_iob
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = 1, 2, 3

# The prefixes that BILUO has beside those of BIO.
UNIT_AND_LAST = {"U": "B", "L": "I"}


def aligned_tags(example: Example, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the gold tag index of each token of the predicted doc.

    example (Example): the gold and the predicted doc.
    labels (Sequence[str]): the labels in the order of the tag indices.
    RETURNS (NDArray): shape (len(example.predicted),); MISSING where there is no annotation or it does not align,
        UNKNOWN_LABEL where the label is not among `labels`.
    """
    predicted, reference = example.predicted, example.reference
    if len(predicted) == len(reference) and (predicted.to_array("ORTH") == reference.to_array("ORTH")).all():
        return doc_tags(reference, labels)
    indices = {tag: i for i, tag in enumerate(label_tags(labels))}
    # spaCy aligns to BILUO with None where annotation is missing.
    tags = [None if tag is None else _bilu_to_bi(tag) for tag in example.get_aligned_ner()]
    return np.array([MISSING if tag is None else indices.get(tag, UNKNOWN_LABEL) for tag in tags], dtype=np.int64)


def doc_tags(doc: Doc, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the tag index of each token of an annotated doc, shape (len(doc),); see `aligned_tags`."""
    annotation = doc.to_array(["ENT_IOB", "ENT_TYPE"])
    iob, types = annotation[:, 0], annotation[:, 1]
    known: Dict[int, int] = {doc.vocab.strings.add(label): i for i, label in enumerate(labels)}
    tags = np.full(len(doc), MISSING, dtype=np.int64)
    tags[iob == IOB_OUTSIDE] = 0
    entity = (iob == IOB_BEGIN) | (iob == IOB_INSIDE)
    for label in np.unique(types[entity]):
        index = known.get(int(label))
        of_label = entity & (types == label)
        tags[of_label] = UNKNOWN_LABEL if index is None else 1 + 2 * index
        if index is not None:
            tags[of_label & (iob == IOB_INSIDE)] += 1
    return tags


def tags_to_spans(tags: NDArray[np.int64], *, strict: bool = False) -> List[Tuple[int, int, int]]:
    """Read the entity spans off tag indices.

    tags (NDArray): shape (n_tokens,).
    strict (bool): drop what an `I-X` begins that nothing opens; otherwise it opens an entity.
    RETURNS (List[Tuple[int, int, int]]): (start, end, label index) in order.
    """
    if not tags.any():
        return []
    label = (tags - 1) // 2
    inside = (tags > 0) & (tags % 2 == 0)
    before = np.concatenate([[0], tags[:-1]])
    continues = inside & (before > 0) & ((before - 1) // 2 == label)
    starts = np.flatnonzero((tags > 0) & ~continues)
    ends = np.flatnonzero((tags > 0) & ~np.concatenate([continues[1:], [False]])) + 1
    spans = zip(starts.tolist(), ends.tolist(), label[starts].tolist(), strict=True)
    if strict:
        return [span for span in spans if not inside[span[0]]]
    return list(spans)


def _bilu_to_bi(tag: str) -> str:
    prefix, label = split_tag(tag)
    return f"{UNIT_AND_LAST.get(prefix, prefix)}-{label}" if label else tag
