"""The prediction for a doc: spans from windows, allowed tags beside preset entities, and setting the entities."""

from dataclasses import dataclass, field
from typing import Iterator, List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span, SpanGroup

from ..annotations.scores import get_score, set_runner_up, set_score
from ..annotations.words import Words, tags_of_tokens
from .alignment import allowed_tags, blocked_tokens, preset_tags, sentence_starts
from .doc_windows import Window

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
    """

    spans: List[ScoredSpan] = field(default_factory=list)
    candidates: List[ScoredSpan] = field(default_factory=list)
    tags: Optional[NDArray[np.int64]] = None
    experts: Optional[NDArray[np.float32]] = None

    def to_tokens(self, doc: Doc, words: Words) -> None:
        """Convert word indices to token indices of the doc. A blank token gets weight 1 for the expert of no entity."""
        places = words.places
        if places is None:
            return
        for found in (self.spans, self.candidates):
            found[:] = [(int(places[a]), int(places[b - 1]) + 1, label, score) for a, b, label, score in found]
        if self.tags is not None:
            self.tags = tags_of_tokens(self.tags, places, len(doc))
        if self.experts is not None:
            experts = np.zeros((len(doc), self.experts.shape[1]), dtype=np.float32)
            experts[:, 0] = 1.0
            experts[places] = self.experts
            self.experts = experts


def spans_in_cores(
    chunk: Sequence[Window], spans: NDArray[np.int64], scores: NDArray[np.float64], labels: Sequence[str]
) -> Iterator[Tuple[int, ScoredSpan]]:
    """Yield the spans that begin in the core of their window, with the index of their doc.

    chunk (Sequence[Window]): the windows.
    spans (NDArray): index of the window, start and end within the window, label index, shape (n_spans, 4).
    scores (NDArray): shape (n_spans,).
    labels (Sequence[str]): the labels.
    """
    for (row, start, end, label), score in zip(spans.tolist(), scores.tolist(), strict=True):
        window = chunk[row]
        start += window.start
        if window.core_start <= start < window.core_end:
            # Rounding may put a sum of probabilities outside [0, 1].
            yield window.doc, (start, end + window.start, labels[label], min(1.0, max(0.0, score)))


def without_overlaps(spans: List[ScoredSpan]) -> List[ScoredSpan]:
    """Drop each span that overlaps the last span kept; `spans` is sorted by start."""
    kept: List[ScoredSpan] = []
    for span in spans:
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def allowed_in_windows(
    docs: Sequence[Doc],
    words: Sequence[Words],
    chunk: Sequence[Window],
    n_words: int,
    labels: Sequence[str],
    *,
    beside_preset: bool,
) -> Optional[NDArray[np.bool_]]:
    """Return which tags the words of windows may take; see `allowed_tags`.

    docs (Sequence[Doc]): the docs.
    words (Sequence[Words]): the words of each doc.
    chunk (Sequence[Window]): the windows.
    n_words (int): number of words of the longest window.
    labels (Sequence[str]): the labels in the order of the tag indices.
    beside_preset (bool): True to constrain the tags by the preset entities of the docs, False to ignore them.
    RETURNS (Optional[NDArray]): shape (n_windows, n_words, n_tags); None if every word may take any tag.
    """
    rules = {}
    for doc in {window.doc for window in chunk}:
        preset = preset_tags(docs[doc], words[doc], labels) if beside_preset else None
        starts = sentence_starts(words[doc].doc)
        if preset is not None or starts is not None:
            rules[doc] = preset, starts
    if not rules:
        return None
    allowed = np.ones((len(chunk), n_words, 1 + 2 * len(labels)), dtype=bool)
    for row, (doc, start, end, _, _) in enumerate(chunk):
        if doc in rules:
            allowed[row, : end - start] = allowed_tags(*rules[doc], start, end, allowed.shape[2])
    return allowed


def set_entities(doc: Doc, found: List[ScoredSpan], *, keep_preset: bool) -> None:
    """Set the entities of a doc.

    doc (Doc): the doc.
    found (List[ScoredSpan]): the predicted entities.
    keep_preset (bool): keep the preset entities and blocked tokens of the doc, and set a predicted entity only if it
        does not overlap them. A preset entity without a score gets the score 1.0.
    """
    preset: List[Span] = []
    blocked: List[Span] = []
    if keep_preset and doc.has_annotation("ENT_IOB"):
        blocked = [doc[i : i + 1] for i in np.flatnonzero(blocked_tokens(doc)).tolist()]
        preset = list(doc.ents)
    for span in preset:
        # An existing score is set again. A score from JSON is stored without its label, and a runner-up would hide it.
        score = get_score(span)
        set_score(span, 1.0 if score is None else score)
    taken = {i for span in [*preset, *blocked] for i in range(span.start, span.end)}
    spans = []
    for start, end, label, score in found:
        if taken.isdisjoint(range(start, end)):
            spans.append(Span(doc, start, end, label=label))
            set_score(spans[-1], score)
    doc.set_ents([*preset, *spans], blocked=blocked)


def set_candidates(doc: Doc, found: List[ScoredSpan], key: str) -> None:
    """Write spans to a spans group of a doc, best first, and their scores to `attrs["scores"]` of the group.

    An entity of the doc keeps its score.

    doc (Doc): the doc.
    found (List[ScoredSpan]): the spans, best first.
    key (str): the key of the group in `doc.spans`.
    """
    spans = [Span(doc, start, end, label=label) for start, end, label, _ in found]
    labels = {(ent.start, ent.end): ent.label_ for ent in doc.ents}
    for span, (start, end, label, score) in zip(spans, found, strict=True):
        if (start, end) not in labels:
            labels[start, end] = label
            set_score(span, score)
        elif labels[start, end] != label:
            set_runner_up(span, score)
    spans.sort(key=lambda span: -(get_score(span) or 0.0))
    doc.spans[key] = SpanGroup(doc, name=key, spans=spans, attrs={"scores": [get_score(span) for span in spans]})
