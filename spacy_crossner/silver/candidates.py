"""The most uncertain sentences of a text by type, in memory of fixed size, and each type's part of the uncertainty."""

import heapq
from collections import Counter
from typing import Any, Dict, List, Set, Tuple

from spacy.strings import hash_string  # type: ignore[attr-defined]
from spacy.tokens import Doc

from ..annotations.scores import get_score
from ..data.json_forms.imports import SuggestedSpan, Suggestion
from ..data.subsets import NO_TYPE
from .uncertainty import DIGITS

# Candidates of a type for each sentence to choose, and in addition. More of them are more diverse, but less uncertain.
TIMES, MORE = 5, 100
# Makes a whole number of an uncertainty, so that sums do not depend on the order of the sentences.
SCALE = 10**DIGITS

Entry = Tuple[float, int, int, Suggestion]


class Candidates:
    """The most uncertain sentences of each type. A sentence with several types is a candidate of each.

    number (int): how many sentences will be chosen.
    """

    def __init__(self, number: int) -> None:
        self.size = TIMES * number + MORE
        self.heaps: Dict[str, List[Entry]] = {}
        self.uncertainty: Counter[str] = Counter()
        self.total = self.count = 0

    def add(self, doc: Doc, uncertainty: float) -> None:
        """Add a sentence, and drop the least uncertain one of a type that has too many.

        doc (Doc): the annotated sentence.
        uncertainty (float): its uncertainty.
        """
        types: Set[str] = {ent.label_ for ent in doc.ents} or {NO_TYPE}
        self.uncertainty.update(dict.fromkeys(types, round(uncertainty * SCALE)))
        self.total += round(uncertainty * SCALE)
        self.count += 1
        # A hash decides between equal ones, so that the choice does not depend on their order.
        rank = uncertainty, int(hash_string(doc.text))
        admitting = [name for name in types if self._admits(name, rank)]
        if admitting:
            entry = (*rank, self.count, suggest(doc, uncertainty))
            for name in admitting:
                heap = self.heaps.setdefault(name, [])
                (heapq.heappush if len(heap) < self.size else heapq.heappushpop)(heap, entry)

    def _admits(self, name: str, rank: Tuple[float, int]) -> bool:
        heap = self.heaps.get(name, [])
        return len(heap) < self.size or rank > heap[0][:2]

    def ranked(self) -> List[Suggestion]:
        """Return the candidates of all types, each text once, the most uncertain ones first."""
        entries: Dict[str, Any] = {entry[3].text: entry for heap in self.heaps.values() for entry in heap}
        return [entry[3] for entry in sorted(entries.values(), key=lambda entry: (-entry[0], entry[1], entry[3].text))]

    def shares(self) -> Dict[str, float]:
        """Return the part of each type in the uncertainty of all sentences."""
        return {name: value / max(1, self.total) for name, value in self.uncertainty.items()}


def suggest(doc: Doc, uncertainty: float) -> Suggestion:
    """Return an annotated doc as a suggestion. Scores have four digits."""
    spans = []
    for ent in doc.ents:
        score = get_score(ent)
        spans.append(
            SuggestedSpan(ent.start_char, ent.end_char, ent.label_, None if score is None else round(score, DIGITS))
        )
    # Words without their blanks have one after each of them, which the last one does not need.
    text = doc.text.removesuffix(" ") if doc.has_unknown_spaces else doc.text
    return Suggestion(text, [(token.idx, token.idx + len(token)) for token in doc], spans, uncertainty)
