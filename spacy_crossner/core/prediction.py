"""The prediction for a doc: spans from windows, and the allowed tags beside preset entities."""

from dataclasses import dataclass, field
from typing import Any, Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..annotations.words import OF_IOB, OF_SENT_START, Words, tags_of_tokens
from .alignment import allowed_tags, preset_tags
from .doc_windows import Rows, Window

# Start, end (exclusive), label, score.
ScoredSpan = Tuple[int, int, str, float]


@dataclass
class Prediction:
    """The prediction for a doc. Positions are word indices, and token indices after `to_tokens`.

    spans (List[ScoredSpan]): the entities, in order.
    candidates (List[ScoredSpan]): the spans with a score of at least the floor, best first; empty without
        `candidates_key`.
    tags (Optional[NDArray]): the decoded tag indices; None for constrained decoding.
    experts (Optional[NDArray]): weight of each entity expert for each token, shape (n_tokens, n_experts); None if they
        were not requested.
    words (Optional[Words]): the words of the doc; None for a prediction that no component has made.
    """

    spans: List[ScoredSpan] = field(default_factory=list)
    candidates: List[ScoredSpan] = field(default_factory=list)
    tags: Optional[NDArray[np.int64]] = None
    experts: Optional[NDArray[np.float32]] = None
    words: Optional[Words] = None

    def to_tokens(self) -> None:
        """Sort the candidates, and convert word indices to token indices of the doc.

        A blank token gets weight 1 for the expert of no entity.
        """
        if self.candidates:
            self.candidates.sort(key=lambda span: (-span[3], span))
        if self.words is None or self.words.places is None:
            return
        places, n_tokens = self.words.places, len(self.words.columns)
        for found in (self.spans, self.candidates):
            found[:] = [(int(places[a]), int(places[b - 1]) + 1, label, score) for a, b, label, score in found]
        if self.tags is not None:
            self.tags = tags_of_tokens(self.tags, places, n_tokens)
        if self.experts is not None:
            experts = np.zeros((n_tokens, self.experts.shape[1]), dtype=np.float32)
            experts[:, 0] = 1.0
            experts[places] = self.experts
            self.experts = experts


def spans_in_cores(
    windows: Sequence[Window], spans: NDArray[np.int64], scores: NDArray[np.floating[Any]], labels: Sequence[str]
) -> Iterator[Tuple[int, ScoredSpan]]:
    """Yield the spans that begin in the core of their window, with the index of their doc.

    windows (Sequence[Window]): the windows.
    spans (NDArray): index of the window, start and end within the window, label index, shape (n_spans, 4).
    scores (NDArray): shape (n_spans,).
    labels (Sequence[str]): the labels.
    """
    rows, starts, ends, of_label = spans.T
    doc, first, _, core_start, core_end = np.array(windows, dtype=np.int64)[rows].T
    starts, ends = starts + first, ends + first
    kept = (core_start <= starts) & (starts < core_end)
    # Rounding may put a sum of probabilities outside [0, 1].
    columns = (doc, starts, ends, of_label, scores.clip(0.0, 1.0))
    for i, start, end, label, score in zip(*(column[kept].tolist() for column in columns), strict=True):
        yield i, (start, end, labels[label], score)


def without_overlaps(spans: List[ScoredSpan]) -> List[ScoredSpan]:
    """Drop each span that overlaps the last span kept; `spans` is sorted by start."""
    kept: List[ScoredSpan] = []
    for span in spans:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def allowed_in_windows(
    rows: Rows, n_words: int, labels: Sequence[str], *, beside_preset: bool
) -> Optional[NDArray[np.bool_]]:
    """Return which tags the words of rows may take; see `allowed_tags`.

    rows (Rows): the rows.
    n_words (int): number of words of the longest row.
    labels (Sequence[str]): the labels in the order of the tag indices.
    beside_preset (bool): True to constrain the tags by the preset entities of the docs, False to ignore them.
    RETURNS (Optional[NDArray]): shape (n_rows, n_words, n_tags); None if every word may take any tag.
    """
    # Most docs have no annotation, which two looks at the whole batch show.
    columns = rows.words.columns
    beside_preset = beside_preset and bool(columns[:, OF_IOB].any())
    if not beside_preset and not columns[:, OF_SENT_START].any():
        return None
    rules = {}
    for doc in {window.doc for window in rows.windows}:
        words = rows.words[doc]
        preset = preset_tags(words.source, words, labels) if beside_preset else None
        starts = words.sentence_starts()
        if preset is not None or starts is not None:
            rules[doc] = preset, starts
    if not rules:
        return None
    allowed = np.ones((len(rows.windows), n_words, 1 + 2 * len(labels)), dtype=bool)
    for row, (doc, start, end, _, _) in enumerate(rows.windows):
        if doc in rules:
            allowed[row, : end - start] = allowed_tags(*rules[doc], start, end, allowed.shape[2])
    return allowed
