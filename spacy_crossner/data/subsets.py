"""Draw a labelled subset by seed, stratified over entity types."""

import random
from collections import Counter
from typing import Collection, Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple, TypeVar

Row = TypeVar("Row")

# Stands for the type of a sentence without an entity.
NO_TYPE = ""


def draw_subset(rows: Sequence[Row], types: Sequence[Collection[str]], size: int, seed: int) -> List[Row]:
    """Draw sentences at random, so that each type has its share of them and rare types are not missing.

    Each next sentence is drawn at random from those with the type that needs one most. A type that has no sentence
    yet comes first, the rarest one before the others. After that it is the type that is farthest below its share: the
    fraction of all sentences with this type, times the number of sentences drawn so far and the next one. Sentences
    without an entity are a type of their own.

    So every type of the set is in a subset with as many sentences as there are types. Subsets of one seed are nested:
    a larger one contains the smaller one.

    rows (Sequence[Row]): the sentences.
    types (Sequence[Collection[str]]): the entity types of each sentence.
    size (int): number of sentences to draw, 0 or more.
    seed (int): the same seed gives the same subset.
    RETURNS (List[Row]): the drawn sentences in their original order; all of them if `size` is not below their number.
    """
    if size >= len(rows):
        return list(rows)
    return [rows[i] for i in sorted(stratified_order(types, seed)[:size])]


def stratified_order(types: Sequence[Collection[str]], seed: int) -> List[int]:
    """Return the indices of all sentences in the order in which `draw_subset` draws them."""
    return list(_draw_order([set(names) or {NO_TYPE} for names in types], random.Random(seed)))


def _draw_order(types: Sequence[Collection[str]], rng: random.Random) -> Iterator[int]:
    """Yield the indices of all sentences in the order in which they are drawn."""
    counts = Counter(name for names in types for name in names)
    shares = {name: n / len(types) for name, n in counts.items()}
    # For each type its sentences, in random order; the next one is last.
    left: Dict[str, List[int]] = {name: [] for name in sorted(counts)}
    for i in rng.sample(range(len(types)), len(types)):
        for name in types[i]:
            left[name].append(i)
    drawn: Counter[str] = Counter()
    used: set[int] = set()
    while left:
        name = neediest_type(left, drawn, shares, len(used) + 1)
        i = left[name].pop()
        if not left[name]:
            del left[name]
        if i not in used:
            used.add(i)
            drawn.update(types[i])
            yield i


def neediest_type(names: Iterable[str], drawn: Mapping[str, int], shares: Mapping[str, float], n_next: int) -> str:
    """Return the type that needs a sentence most; see `draw_subset`.

    names (Iterable[str]): the types that have a sentence left.
    drawn (Mapping[str, int]): the number of sentences drawn so far, by type.
    shares (Mapping[str, float]): the share of each type.
    n_next (int): the number of all sentences drawn so far and the next one.
    """

    def need(name: str) -> Tuple[bool, float, str]:
        # (False, ...) is before (True, ...): types without a sentence come first, the rarest before the others.
        n_drawn = drawn.get(name, 0)
        return n_drawn > 0, n_drawn - shares[name] * n_next if n_drawn else shares[name], name

    return min(names, key=need)
