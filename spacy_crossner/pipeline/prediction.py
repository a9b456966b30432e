"""What a component found in a doc, and how it gets there."""

from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, SpanGroup

from ..scores import get_score, set_score
from .alignment import allowed_tags
from .windows import Window

# Start, end (exclusive), label, score.
ScoredSpan = Tuple[int, int, str, float]


@dataclass
class Prediction:
    """What a component found in a doc.

    spans (List[ScoredSpan]): the entities, in order.
    candidates (List[ScoredSpan]): the spans whose score is above the floor, the best first, if they are asked for.
    tags (Optional[NDArray]): the tag indices as they were decoded, where illegal ones are possible.
    experts (Optional[NDArray]): how much each entity expert counts for each token, if it is asked for, shape
        (n_tokens, n_experts).
    """

    spans: List[ScoredSpan] = field(default_factory=list)
    candidates: List[ScoredSpan] = field(default_factory=list)
    tags: Optional[NDArray[np.int64]] = None
    experts: Optional[NDArray[np.float32]] = None


def spans_in_cores(
    chunk: Sequence[Window], spans: NDArray[np.int64], scores: NDArray[np.float64], labels: Sequence[str]
) -> Iterator[Tuple[int, ScoredSpan]]:
    """Yield those spans that begin in the core of their window, with the index of their doc.

    chunk (Sequence[Window]): the windows.
    spans (NDArray): index of the window, start and end in it, label index, shape (n_spans, 4).
    scores (NDArray): shape (n_spans,).
    labels (Sequence[str]): the labels.
    """
    for (row, start, end, label), score in zip(spans.tolist(), scores.tolist(), strict=True):
        window = chunk[row]
        start += window.start
        if window.core_start <= start < window.core_end:
            # Sums of probabilities may leave [0, 1] by a rounding.
            yield window.doc, (start, end + window.start, labels[label], min(1.0, max(0.0, score)))


def without_overlaps(spans: List[ScoredSpan]) -> List[ScoredSpan]:
    """Drop spans, which come in order, that begin before the end of the one before."""
    kept: List[ScoredSpan] = []
    for span in spans:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def allowed_in_windows(
    docs: Sequence[Doc], chunk: Sequence[Window], n_tokens: int, labels: Sequence[str]
) -> Optional[NDArray[np.bool_]]:
    """Return which tags the tokens of windows may take beside the entities that their docs have.

    RETURNS (Optional[NDArray]): see `allowed_tags`, shape (n_windows, n_tokens, n_tags); None if no doc has any.
    """
    preset = {window.doc for window in chunk if docs[window.doc].has_annotation("ENT_IOB")}
    if not preset:
        return None
    allowed = np.ones((len(chunk), n_tokens, 1 + 2 * len(labels)), dtype=bool)
    for row, (doc, start, end, _, _) in enumerate(chunk):
        if doc in preset:
            allowed[row, : end - start] = allowed_tags(docs[doc], start, end, labels)
    return allowed


def set_entities(doc: Doc, found: List[ScoredSpan], *, keep_preset: bool) -> None:
    """Set the entities of a doc.

    doc (Doc): the doc.
    found (List[ScoredSpan]): the entities that were found.
    keep_preset (bool): what the doc has stays, blocked tokens too, and what was found is set where it fits. An entity
        that stays is certain, unless it has a score: 1.0.
    """
    spans = [_scored_span(doc, span) for span in found]
    blocked: List[Span] = []
    if keep_preset and doc.has_annotation("ENT_IOB"):
        blocked = [doc[token.i : token.i + 1] for token in doc if token.ent_iob == 3 and not token.ent_type]
        preset = list(doc.ents)
        for span in preset:
            if get_score(span) is None:
                set_score(span, 1.0)
        taken = {i for span in [*preset, *blocked] for i in range(span.start, span.end)}
        spans = [*preset, *(span for span in spans if taken.isdisjoint(range(span.start, span.end)))]
    doc.set_ents(spans, blocked=blocked)


def set_candidates(doc: Doc, found: List[ScoredSpan], key: str) -> None:
    """Put spans into a spans group of a doc, their scores into its `attrs["scores"]`, too."""
    spans = [_scored_span(doc, span) for span in found]
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": [span[3] for span in found]})


def _scored_span(doc: Doc, span: ScoredSpan) -> Span:
    start, end, label, score = span
    made = Span(doc, start, end, label=label)
    set_score(made, score)
    return made
