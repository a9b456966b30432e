"""Tag indices from annotation and spans from tag indices. The order of tags is that of `tags.label_tags`."""

from typing import Dict, Optional, Sequence

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
    known: Dict[int, int] = {doc.vocab.strings[label]: i for i, label in enumerate(labels)}
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


def tags_to_spans(tags: NDArray[np.int64], lengths: NDArray[np.int64], *, strict: bool = False) -> NDArray[np.int64]:
    """Read the entity spans off rows of tag indices.

    tags (NDArray): shape (n_rows, n_tokens); what stands at padding does not matter.
    lengths (NDArray): the number of tokens of each row, shape (n_rows,).
    strict (bool): drop what an `I-X` begins that nothing opens; otherwise it opens an entity.
    RETURNS (NDArray): row, start, end (exclusive) and label index, in order, shape (n_spans, 4).
    """
    # A column of O on both sides, so that nothing reaches over from row to row.
    grid = np.zeros((tags.shape[0], tags.shape[1] + 2), dtype=np.int64)
    grid[:, 1:-1] = np.where(np.arange(tags.shape[1]) < lengths[:, None], tags, 0)
    flat = grid.ravel()
    label = (flat - 1) // 2
    entity = flat > 0
    continues = np.zeros(len(flat), dtype=bool)
    continues[1:] = entity[1:] & (flat[1:] % 2 == 0) & entity[:-1] & (label[:-1] == label[1:])
    starts = np.flatnonzero(entity & ~continues)
    ends = np.flatnonzero(entity[:-1] & ~continues[1:]) + 1
    rows, columns = np.divmod(starts, grid.shape[1])
    spans = np.stack([rows, columns - 1, columns - 1 + ends - starts, label[starts]], axis=1)
    return spans[flat[starts] % 2 == 1] if strict else spans


def allowed_tags(doc: Doc, start: int, end: int, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return which tags the tokens of a window may take beside the entities that a doc has, as in spaCy's `ner`.

    Tokens of an entity take its tags, or O where its label is not among `labels`; so do blocked tokens. An entity is
    not made longer. Tokens that are outside or without annotation take any tag.

    doc (Doc): the doc.
    start (int): first token of the window.
    end (int): its end, exclusive.
    labels (Sequence[str]): the labels in the order of the tag indices.
    RETURNS (NDArray): True = may, shape (end - start, n_tags).
    """
    tags = doc_tags(doc, labels)
    before = np.concatenate([[0], tags[:-1]])[start:end]
    tags = tags[start:end]
    if tags[0] > 0 and tags[0] % 2 == 0:
        # The window begins within an entity: there it begins, too.
        tags[0] -= 1
    n_tags = 1 + 2 * len(labels)
    is_inside = (np.arange(n_tags) > 0) & (np.arange(n_tags) % 2 == 0)
    allowed = np.ones((len(tags), n_tags), dtype=bool)
    allowed[(before > 0)[:, None] & is_inside] = False
    preset = (tags > 0) | (tags == UNKNOWN_LABEL)
    allowed[preset] = np.arange(n_tags) == np.maximum(tags[preset], 0)[:, None]
    return allowed


def _bilu_to_bi(tag: str) -> str:
    prefix, label = split_tag(tag)
    return f"{UNIT_AND_LAST.get(prefix, prefix)}-{label}" if label else tag


def find_partners(pairs: Sequence[Optional[int]]) -> NDArray[np.int64]:
    """Return for each doc the place of the other one with its number, -1 for none.

    pairs (Sequence[Optional[int]]): the number of each doc's pair, None where it is in none.
    """
    partners = np.full(len(pairs), -1, dtype=np.int64)
    first: Dict[int, int] = {}
    for place, pair in enumerate(pairs):
        if pair is None:
            continue
        if pair in first:
            partners[place], partners[first[pair]] = first[pair], place
        else:
            first[pair] = place
    return partners
