"""Setting the entities of docs, with their scores."""

from typing import Any, Dict, List, Sequence, cast

import numpy as np
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc, Span, SpanGroup

from ..annotations.scores import get_score, set_runner_up, set_score, set_score_at
from ..annotations.words import OF_CHARACTER, OF_LENGTH
from .alignment import IOB_BEGIN, IOB_INSIDE, IOB_OUTSIDE, blocked_tokens
from .prediction import Prediction, ScoredSpan


def set_found_entities(docs: Sequence[Doc], predictions: Sequence[Prediction], *, keep_preset: bool) -> None:
    """Set the entities of docs; see `set_entities`.

    For a doc without entity annotation, they are set from an array: no `Span` is made.
    """
    hashes: Dict[str, int] = {}
    for doc, prediction in zip(docs, predictions, strict=True):
        words = prediction.words
        if words is None or not len(doc) or len(words.columns) != len(doc) or doc.has_annotation("ENT_IOB"):
            set_entities(doc, prediction.spans, keep_preset=keep_preset)
            continue
        annotation = np.zeros((len(doc), 2), dtype=np.uint64)
        annotation[:, 0] = IOB_OUTSIDE
        user_data = doc.user_data
        for start, end, label, score in prediction.spans:
            if label not in hashes:
                hashes[label] = doc.vocab.strings.add(label)
            annotation[start:end] = IOB_INSIDE, hashes[label]
            annotation[start, 0] = IOB_BEGIN
            last = words.columns[end - 1]
            first_character = int(words.columns[start, OF_CHARACTER])
            set_score_at(user_data, first_character, int(last[OF_CHARACTER] + last[OF_LENGTH]), label, score)
        doc.from_array([ENT_IOB, ENT_TYPE], cast(Any, annotation))


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
