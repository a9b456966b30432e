"""BIO tags: conversion to spans and back, and the allowed transitions.

A tag is `O`, `B-<label>` or `I-<label>`; it is split at its first hyphen only, as labels may hold hyphens
(`B-Multi-tissue_structure`). A span is a triple `(start, end, label)` of token positions, the end exclusive.
"""

from typing import Iterable, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

OUTSIDE = "O"

# Key in `Doc.user_data` for the decoded tags of a component that may emit illegal ones, one tag for each token:
# `doc.ents` cannot represent an I- tag that continues no entity, for which strict and lenient reading differ.
TAGS_KEY = "ner_tags"

TagSpan = Tuple[int, int, str]


def split_tag(tag: str) -> Tuple[str, str]:
    """Split a tag into its prefix and its label: `B-geo-loc` to `("B", "geo-loc")`, `O` to `("O", "")`."""
    prefix, _, label = tag.partition("-")
    return prefix, label


def label_tags(labels: Iterable[str]) -> List[str]:
    """Return the tags of labels: `O`, then `B-` and `I-` of each label, in the given order.

    A label that is appended adds its tags at the end, so the indices of all earlier tags never change.
    """
    return [OUTSIDE, *(f"{prefix}-{label}" for label in labels for prefix in "BI")]


def bio_to_spans(tags: Sequence[Optional[str]]) -> List[TagSpan]:
    """Convert a BIO sequence to entity spans.

    tags (Sequence[Optional[str]]): one tag for each token; None (no annotation) ends a span as `O` does.
    RETURNS (List[TagSpan]): the spans in order. An `I-X` that continues no entity begins a span (lenient reading).
    """
    spans: List[TagSpan] = []
    start, open_label = 0, ""
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = split_tag(tag or OUTSIDE)
        if open_label and not (prefix == "I" and label == open_label):
            spans.append((start, i, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = i, label
    return spans


def spans_to_bio(spans: Iterable[TagSpan], length: int) -> List[str]:
    """Convert spans to a BIO sequence.

    spans (Iterable[TagSpan]): spans that do not overlap, in any order.
    length (int): the number of tokens.
    RETURNS (List[str]): one tag for each token.
    """
    tags = [OUTSIDE] * length
    for start, end, label in spans:
        tags[start] = f"B-{label}"
        tags[start + 1 : end] = [f"I-{label}"] * (end - start - 1)
    return tags


def allowed_starts(tags: Sequence[str]) -> NDArray[np.bool_]:
    """Return which tags may begin a sequence: all except the `I-` tags, shape (n_tags,)."""
    return np.array([split_tag(tag)[0] != "I" for tag in tags], dtype=bool)


def allowed_transitions(tags: Sequence[str]) -> NDArray[np.bool_]:
    """Return the allowed transitions: `I-X` may follow only `B-X` and `I-X`.

    RETURNS: shape (n_tags, n_tags), row = from, column = to.
    """
    allowed = np.ones((len(tags), len(tags)), dtype=bool)
    for column, tag in enumerate(tags):
        prefix, label = split_tag(tag)
        if prefix == "I":
            allowed[:, column] = [before != OUTSIDE and split_tag(before)[1] == label for before in tags]
    return allowed


def tags_to_spans(tags: NDArray[np.int64], lengths: NDArray[np.int64], *, strict: bool = False) -> NDArray[np.int64]:
    """Convert rows of tag indices to entity spans.

    tags (NDArray): shape (n_rows, n_tokens); values at padding are ignored.
    lengths (NDArray): the number of tokens of each row, shape (n_rows,).
    strict (bool): drop a span whose first tag is `I-X`. Otherwise an `I-X` that continues no entity begins one.
    RETURNS (NDArray): row, start, end (exclusive) and label index, in order, shape (n_spans, 4).
    """
    # A column of O on both sides, so that no span crosses from one row to the next.
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
