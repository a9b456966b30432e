"""Tag indices from annotation, and spans from tag indices. `tags.label_tags` defines the order of the tags."""

from typing import Dict, Hashable, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc
from spacy.training import Example

from ..annotations.tags import label_tags, split_tag
from ..annotations.words import Words, tags_of_words

MISSING = -1
UNKNOWN_LABEL = -2

# spaCy's codes of Token.ent_iob
IOB_INSIDE, IOB_OUTSIDE, IOB_BEGIN = 1, 2, 3

# The BIO prefix for each prefix that only BILUO has.
UNIT_AND_LAST = {"U": "B", "L": "I"}


def gold_tags(example: Example, words: Words, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the gold tag index of each word of the predicted doc, shape (n_words,); see `aligned_tags`."""
    return tags_of_words(aligned_tags(example, labels), words.places)


def aligned_tags(example: Example, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the gold tag index of each token of the predicted doc.

    example (Example): the gold and the predicted doc.
    labels (Sequence[str]): the labels in the order of the tag indices.
    RETURNS (NDArray): shape (len(example.predicted),); MISSING where annotation is missing or does not align,
        UNKNOWN_LABEL where the label is not in `labels`.
    """
    predicted, reference = example.predicted, example.reference
    if len(predicted) == len(reference) and (predicted.to_array("ORTH") == reference.to_array("ORTH")).all():
        return doc_tags(reference, labels)
    indices = {tag: i for i, tag in enumerate(label_tags(labels))}
    # spaCy aligns to BILUO with None where annotation is missing.
    tags = [None if tag is None else _bilu_to_bi(tag) for tag in example.get_aligned_ner()]
    return np.array([MISSING if tag is None else indices.get(tag, UNKNOWN_LABEL) for tag in tags], dtype=np.int64)


def doc_tags(doc: Doc, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the tag index of each token of an annotated doc, shape (len(doc),); see `aligned_tags`.

    A blocked token has the tag O.
    """
    annotation = doc.to_array(["ENT_IOB", "ENT_TYPE"])
    iob, types = annotation[:, 0], annotation[:, 1]
    known: Dict[int, int] = {doc.vocab.strings[label]: i for i, label in enumerate(labels)}
    tags = np.full(len(doc), MISSING, dtype=np.int64)
    tags[(iob == IOB_OUTSIDE) | blocked_tokens(doc)] = 0
    entity = ((iob == IOB_BEGIN) | (iob == IOB_INSIDE)) & (types != 0)
    for label in np.unique(types[entity]):
        index = known.get(int(label))
        of_label = entity & (types == label)
        tags[of_label] = UNKNOWN_LABEL if index is None else 1 + 2 * index
        if index is not None:
            tags[of_label & (iob == IOB_INSIDE)] += 1
    return tags


def blocked_tokens(doc: Doc) -> NDArray[np.bool_]:
    """Return which tokens are blocked by `Doc.set_ents`, so that they get no entity. Shape (len(doc),)."""
    annotation = doc.to_array(["ENT_IOB", "ENT_TYPE"])
    blocked: NDArray[np.bool_] = (annotation[:, 0] == IOB_BEGIN) & (annotation[:, 1] == 0)
    return blocked


def preset_tags(doc: Doc, words: Words, labels: Sequence[str]) -> Optional[NDArray[np.int64]]:
    """Return the tag indices that the entities of a doc fix for its words.

    doc (Doc): the doc.
    words (Words): its words.
    labels (Sequence[str]): the labels in the order of the tag indices.
    RETURNS (Optional[NDArray]): shape (n_words,). MISSING for a word outside all entities or without annotation: it may
        take any tag. UNKNOWN_LABEL for a blocked word, or a word of an entity whose label is not in `labels`. None for
        a doc without entity annotation.
    """
    if not doc.has_annotation("ENT_IOB"):
        return None
    tags = doc_tags(doc, labels)
    tags[blocked_tokens(doc)] = UNKNOWN_LABEL
    tags[tags == 0] = MISSING
    return tags_of_words(tags, words.places)


def sentence_starts(words: Doc) -> Optional[NDArray[np.bool_]]:
    """Return which words start a sentence, shape (n_words,); None for a doc without sentence annotation."""
    if not words.has_annotation("SENT_START"):
        return None
    starts: NDArray[np.bool_] = words.to_array("SENT_START") == 1
    return starts


def allowed_tags(
    preset: Optional[NDArray[np.int64]],
    starts: Optional[NDArray[np.bool_]],
    start: int,
    end: int,
    n_tags: int,
) -> NDArray[np.bool_]:
    """Return which tags the words of a window may take, as in spaCy's `ner`.

    Words of a preset entity keep its tags. Blocked words, and words of a preset entity with an unknown label, take O.
    A preset entity is never extended. A predicted entity never crosses the start of a sentence.

    preset (Optional[NDArray]): see `preset_tags`; None for a doc without entities.
    starts (Optional[NDArray]): see `sentence_starts`.
    start (int): first word of the window.
    end (int): its end, exclusive.
    n_tags (int): the number of tags.
    RETURNS (NDArray): True = may, shape (end - start, n_tags).
    """
    is_inside = (np.arange(n_tags) > 0) & (np.arange(n_tags) % 2 == 0)
    allowed = np.ones((end - start, n_tags), dtype=bool)
    if starts is not None:
        allowed[starts[start:end, None] & is_inside] = False
    if preset is not None:
        before = np.concatenate([[MISSING], preset[:-1]])[start:end]
        tags = preset[start:end].copy()
        if tags[0] > 0 and tags[0] % 2 == 0:
            # The window begins inside a preset entity. Within the window, the entity begins at the first word.
            tags[0] -= 1
        allowed[(before > 0)[:, None] & is_inside] = False
        known = tags != MISSING
        allowed[known] = np.arange(n_tags) == np.maximum(tags[known], 0)[:, None]
    return allowed


def _bilu_to_bi(tag: str) -> str:
    prefix, label = split_tag(tag)
    return f"{UNIT_AND_LAST.get(prefix, prefix)}-{label}" if label else tag


def find_partners(pairs: Sequence[Optional[Hashable]]) -> NDArray[np.int64]:
    """Return for each row the index of the other row of its pair, -1 for a row without a pair.

    pairs (Sequence[Optional[Hashable]]): the name of each row's pair, None for a row without a pair.
    """
    partners = np.full(len(pairs), -1, dtype=np.int64)
    first: Dict[Hashable, int] = {}
    for place, pair in enumerate(pairs):
        if pair is None:
            continue
        if pair in first:
            partners[place], partners[first[pair]] = first[pair], place
        else:
            first[pair] = place
    return partners
