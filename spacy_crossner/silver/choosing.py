"""The choice of sentences: certain ones, and those with types that are rare in the gold sentences."""

import hashlib
import heapq
import math
from collections import Counter
from typing import Dict, Iterable, List, Sequence, Tuple

from spacy.tokens import Doc

from .annotating import Annotation

# The larger, the more a sentence with open tokens is passed over.
CERTAINTY_POWER = 2.0


def rarity_of_types(gold: "Counter[str]") -> Dict[str, float]:
    """Return the inverse of each type's frequency in gold sentences, 1 for a type of mean frequency.

    One is added to each count: a type without an entity is not infinitely rare.

    gold (Counter[str]): number of gold entities by type.
    """
    mean = (sum(gold.values()) + len(gold)) / max(1, len(gold))
    return {kind: mean / (count + 1) for kind, count in gold.items()}


def weigh(annotation: Annotation, rarity: Dict[str, float]) -> float:
    """Return the weight of a sentence: the mean rarity of its entities times its certainty squared.

    The certainty is the share of tokens with an annotation.

    annotation (Annotation): the annotation, with at least one entity.
    rarity (Dict[str, float]): see `rarity_of_types`; 1 for a type that is not in it.
    """
    mean_rarity = sum(rarity.get(label, 1.0) for _, _, label in annotation.spans) / len(annotation.spans)
    return float(mean_rarity * annotation.share() ** CERTAINTY_POWER)


def draw_key(sentence: str, weight: float) -> float:
    """Return the key of a sentence in a weighted draw: the sentences with the largest keys are drawn.

    This draws without replacement, each time in proportion to the weights (Efraimidis and Spirakis, 2006). The highest
    weights alone would give sentences of one type. The random number is a hash of the sentence, so the draw does not
    depend on the order of the sentences.

    sentence (str): the sentence.
    weight (float): its weight, above 0.
    """
    digest = hashlib.blake2b(f"draw\n{sentence}".encode(), digest_size=6).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / ((1 << 48) + 1)
    return math.log(uniform) / weight


class Draw:
    """The sentences with the largest keys, at most `size`.

    size (int): the largest number of sentences.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.heap: List[Tuple[float, int, Doc]] = []

    def admits(self, key: float) -> bool:
        """Return whether a sentence with this key is among the largest so far."""
        return len(self.heap) < self.size or key > self.heap[0][0]

    def add(self, sentences: Iterable[Tuple[float, int, Doc]]) -> None:
        """Add sentences with their keys and their places in the text. The smallest keys are dropped."""
        for entry in sentences:
            if len(self.heap) < self.size:
                heapq.heappush(self.heap, entry)
            else:
                heapq.heappushpop(self.heap, entry)

    def docs(self) -> Sequence[Doc]:
        """Return the sentences in the order of the text."""
        return [doc for _, _, doc in sorted(self.heap, key=lambda entry: entry[1])]
