"""What is wrong with each entity that was found or not found."""

from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span

from ..annotations.scores import get_score

# In the order in which a reader wants to see them.
KINDS = {
    "right": "span and type are right",
    "type": "the span is right, the type is not",
    "boundary": "the type is right, the span only overlaps that of its gold partner",
    "both": "neither is right, the span overlaps that of its gold partner",
    "missed": "a gold entity that nothing found is the partner of",
    "spurious": "found, and the partner of no gold entity",
}


class Verdict(NamedTuple):
    """A gold entity, a found one, or a pair of both.

    kind (str): a key of `KINDS`.
    gold (Optional[Span]): the gold entity.
    found (Optional[Span]): the found entity.
    score (Optional[float]): the score of the found entity, if it has one.
    """

    kind: str
    gold: Optional[Span]
    found: Optional[Span]
    score: Optional[float]


def judge(gold: Doc, predicted: Doc) -> List[Verdict]:
    """Pair gold and found entities of a sentence and say what is wrong with each.

    Entities with the same span are a pair; of the others those are that overlap most, each entity in one pair at most.
    A found entity that touches a token without annotation cannot be judged and is left out.

    gold (Doc): the annotated sentence.
    predicted (Doc): the same tokens with the entities that were found.
    RETURNS (List[Verdict]): in the order of the text.
    """
    expected = list(gold.ents)
    found = [ent for ent in predicted.ents if all(token.ent_iob for token in gold[ent.start : ent.end])]
    overlaps = sorted(
        (not _same_span(one, other), -shared, i, j)
        for i, one in enumerate(expected)
        for j, other in enumerate(found)
        for shared in [min(one.end, other.end) - max(one.start, other.start)]
        if shared > 0
    )
    partner_of: Dict[int, int] = {}
    taken = set()
    for _, _, i, j in overlaps:
        if i not in partner_of and j not in taken:
            partner_of[i] = j
            taken.add(j)
    verdicts = [_pair(one, found[partner_of[i]] if i in partner_of else None) for i, one in enumerate(expected)]
    verdicts += [Verdict("spurious", None, ent, get_score(ent)) for j, ent in enumerate(found) if j not in taken]
    return sorted(verdicts, key=_place)


def count_entities(gold: Sequence[Doc], predicted: Sequence[Doc]) -> NDArray[np.int64]:
    """Return for each sentence how many entities are right, found, and gold, shape (n_docs, 3)."""
    rows = []
    for expected, doc in zip(gold, predicted, strict=True):
        verdicts = judge(expected, doc)
        right = sum(verdict.kind == "right" for verdict in verdicts)
        found = sum(verdict.found is not None for verdict in verdicts)
        rows.append((right, found, len(expected.ents)))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def confusion(verdicts: Sequence[Verdict]) -> Dict[Tuple[str, str], int]:
    """Count pairs of gold and found type; "" stands for no entity."""
    return Counter(
        (verdict.gold.label_ if verdict.gold else "", verdict.found.label_ if verdict.found else "")
        for verdict in verdicts
    )


def _pair(gold: Span, found: Optional[Span]) -> Verdict:
    if found is None:
        return Verdict("missed", gold, None, None)
    kinds = ("right", "type") if _same_span(gold, found) else ("boundary", "both")
    return Verdict(kinds[gold.label_ != found.label_], gold, found, get_score(found))


def _same_span(one: Span, other: Span) -> bool:
    return (one.start, one.end) == (other.start, other.end)


def _place(verdict: Verdict) -> Tuple[int, int]:
    span = verdict.gold or verdict.found
    assert span is not None
    return span.start, span.end
