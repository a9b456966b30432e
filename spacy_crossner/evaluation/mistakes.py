"""Classify the mistakes of predicted entities."""

from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from ..annotations.scores import get_score

# The kinds in the order of the report, with their explanation.
KINDS = {
    "right": "span and type are right",
    "type": "the span is right, the type is not",
    "boundary": "the type is right, the span only overlaps the gold span",
    "both": "the type is wrong and the span only overlaps the gold span",
    "missed": "a gold entity without a matching prediction",
    "spurious": "a predicted entity without a matching gold entity",
}


class Verdict(NamedTuple):
    """A gold entity, a predicted entity, or a pair of both.

    kind (str): a key of `KINDS`.
    gold (Optional[Span]): the gold entity.
    predicted (Optional[Span]): the predicted entity.
    score (Optional[float]): the score of the predicted entity, if available.
    """

    kind: str
    gold: Optional[Span]
    predicted: Optional[Span]
    score: Optional[float]


def judge(gold: Doc, predicted: Doc) -> List[Verdict]:
    """Pair the gold and predicted entities of a sentence and classify the mistake of each pair.

    Entities with the same span are a pair. Other entities are paired by overlap, the largest overlap first. Each
    entity is in at most one pair. A predicted entity that overlaps an unannotated token is left out.

    gold (Doc): the annotated sentence.
    predicted (Doc): the same tokens with the predicted entities.
    RETURNS (List[Verdict]): in the order of the text.
    """
    expected = list(gold.ents)
    candidates = [ent for ent in predicted.ents if all(token.ent_iob for token in gold[ent.start : ent.end])]
    overlaps = sorted(
        (not _same_span(gold_ent, ent), -n_shared, i, j)
        for i, gold_ent in enumerate(expected)
        for j, ent in enumerate(candidates)
        for n_shared in [min(gold_ent.end, ent.end) - max(gold_ent.start, ent.start)]
        if n_shared > 0
    )
    partner_of: Dict[int, int] = {}
    taken = set()
    for _, _, i, j in overlaps:
        if i not in partner_of and j not in taken:
            partner_of[i] = j
            taken.add(j)
    verdicts = [
        _pair(gold_ent, candidates[partner_of[i]] if i in partner_of else None) for i, gold_ent in enumerate(expected)
    ]
    verdicts += [Verdict("spurious", None, ent, get_score(ent)) for j, ent in enumerate(candidates) if j not in taken]
    return sorted(verdicts, key=_position)


def count_entities(gold: Sequence[Doc], predicted: Sequence[Doc]) -> NDArray[np.int64]:
    """Return the numbers of right, predicted and gold entities of each sentence, shape (n_docs, 3)."""
    rows = []
    for expected, doc in zip(gold, predicted, strict=True):
        verdicts = judge(expected, doc)
        n_right = sum(verdict.kind == "right" for verdict in verdicts)
        n_predicted = sum(verdict.predicted is not None for verdict in verdicts)
        rows.append((n_right, n_predicted, len(expected.ents)))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def confusion(verdicts: Sequence[Verdict]) -> Dict[Tuple[str, str], int]:
    """Count pairs of gold and predicted type; "" stands for no entity."""
    return Counter(
        (verdict.gold.label_ if verdict.gold else "", verdict.predicted.label_ if verdict.predicted else "")
        for verdict in verdicts
    )


def _pair(gold: Span, predicted: Optional[Span]) -> Verdict:
    if predicted is None:
        return Verdict("missed", gold, None, None)
    kinds = ("right", "type") if _same_span(gold, predicted) else ("boundary", "both")
    return Verdict(kinds[gold.label_ != predicted.label_], gold, predicted, get_score(predicted))


def _same_span(first: Span, second: Span) -> bool:
    return (first.start, first.end) == (second.start, second.end)


def _position(verdict: Verdict) -> Tuple[int, int]:
    span = verdict.gold or verdict.predicted
    assert span is not None
    return span.start, span.end
