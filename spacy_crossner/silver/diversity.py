"""The choice among uncertain sentences: each type its share, and none that resembles the ones before.

Each next sentence is taken from the type that needs one most (`data.subsets`), where the share of a type is its part
of the uncertainty of the whole text. Of the sentences x with this type, it is the one with the highest

    value(x) = u(x) * (1 - max of cos(x, c) over the sentences c chosen before)

The cosine is that of vectors with a place for each word (in lower case) and for each entity with its label. A place has
the value log(1 + n / m): n candidates, of which m have the word. The form is that of maximal marginal relevance
(Carbonell and Goldstein, 1998).
"""

import math
import re
from collections import Counter, defaultdict
from typing import Dict, Iterator, List, Mapping, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from ..data.json_forms.imports import Suggestion
from ..data.subsets import NO_TYPE, neediest_type

WORD = re.compile(r"[^\W\d_]+")


def types_of(suggestion: Suggestion) -> Set[str]:
    """Return the labels of a sentence's entities; `NO_TYPE` alone without an entity."""
    return {span.label for span in suggestion.spans} or {NO_TYPE}


def features_of(suggestion: Suggestion) -> Set[str]:
    """Return the words and entities by which sentences are compared."""
    words = set(WORD.findall(suggestion.text.lower()))
    # A line end is in no word.
    return words | {f"{span.label}\n{suggestion.text[span.start : span.end].lower()}" for span in suggestion.spans}


class Resemblance:
    """The cosines of candidates with a chosen one, by the sentences of each word.

    features (Sequence[Set[str]]): words and entities of each candidate.
    """

    def __init__(self, features: Sequence[Set[str]]) -> None:
        counts = Counter(name for names in features for name in names)
        weights = {name: math.log(1 + len(features) / count) for name, count in counts.items()}
        self.size = len(features)
        # Sorted, so that sums do not depend on the order of a set.
        self.names = [sorted(names) for names in features]
        rows: Dict[str, List[int]] = defaultdict(list)
        lengths = [math.sqrt(math.fsum(weights[name] ** 2 for name in names)) or 1.0 for names in self.names]
        for row, names in enumerate(self.names):
            for name in names:
                rows[name].append(row)
        self.rows = {name: np.array(found) for name, found in rows.items()}
        # The value of each word in the vectors of its sentences, which have the length 1.
        self.values = {name: weights[name] / np.array([lengths[row] for row in rows[name]]) for name in rows}
        self.own = [
            {name: weights[name] / length for name in names} for names, length in zip(self.names, lengths, strict=True)
        ]

    def with_chosen(self, chosen: int) -> NDArray[np.float64]:
        """Return the cosine of each candidate with one of them, shape (n_candidates,)."""
        cosines = np.zeros(self.size)
        for name in self.names[chosen]:
            cosines[self.rows[name]] += self.own[chosen][name] * self.values[name]
        return cosines.clip(0.0, 1.0)


def choose_diverse(candidates: Sequence[Suggestion], shares: Mapping[str, float]) -> Iterator[Suggestion]:
    """Yield the candidates in the order of the choice, the first one first.

    candidates (Sequence[Suggestion]): the candidates, the one to prefer of two with the same value first.
    shares (Mapping[str, float]): the share of each type.
    """
    resemblance = Resemblance(list(map(features_of, candidates)))
    types = list(map(types_of, candidates))
    uncertainty = np.array([candidate.uncertainty for candidate in candidates])
    nearest = np.zeros(len(candidates))
    is_left = np.ones(len(candidates), dtype=bool)
    by_type: Dict[str, List[int]] = defaultdict(list)
    for row, names in enumerate(types):
        for name in names:
            by_type[name].append(row)
    left = {name: np.array(rows) for name, rows in by_type.items()}
    drawn: Counter[str] = Counter()
    n_chosen = 0
    while left:
        name = neediest_type(left, drawn, shares, n_chosen + 1)
        rows = left[name] = left[name][is_left[left[name]]]
        if not len(rows):
            del left[name]
            continue
        # Of equal values, the first; rounded, because the last digits depend on the order of a sum.
        row = int(rows[np.round(uncertainty[rows] * (1 - nearest[rows]), 6).argmax()])
        is_left[row] = False
        drawn.update(types[row])
        n_chosen += 1
        np.maximum(nearest, resemblance.with_chosen(row), out=nearest)
        yield candidates[row]
