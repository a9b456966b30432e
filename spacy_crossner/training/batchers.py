"""Batches of docs of like length, and of like shares of the domains where a loss needs that."""

import random
from itertools import islice
from typing import Dict, Iterable, Iterator, List, Optional

from spacy.training import Example

from ..domains import get_domain


class PaddedBatcher:
    """Groups examples into batches that waste little padding (registered as a batcher for `[training.batcher]`).

    A pool of examples is sorted by length and cut into batches, which come in random order.

    size (int): examples in a batch at most.
    max_padded (int): tokens in a batch at most, padding included; 0 for no limit. A longer doc is a batch by itself.
    balance (bool): every batch holds the same share of each domain that its pool holds; a domain with fewer docs in
        the pool than the others is gone through again.
    pool (int): batches that are sorted together.
    seed (int): seed of the order of the batches.
    """

    def __init__(self, size: int, max_padded: int = 0, balance: bool = False, pool: int = 20, seed: int = 0) -> None:
        self.size = size
        self.max_padded = max_padded
        self.balance = balance
        self.pool = pool
        self.random = random.Random(seed)

    def __call__(self, examples: Iterable[Example]) -> Iterator[List[Example]]:
        """Yield the batches of one pass."""
        stream = iter(examples)
        while pool := list(islice(stream, self.size * self.pool)):
            batches = self._cut(self._interleave(pool) if self.balance else _by_length(pool))
            self.random.shuffle(batches)
            yield from batches

    def _cut(self, examples: Iterable[Example]) -> List[List[Example]]:
        batches: List[List[Example]] = []
        batch: List[Example] = []
        longest = 0
        for example in examples:
            padded = max(longest, len(example)) * (len(batch) + 1)
            if batch and (len(batch) == self.size or (self.max_padded and padded > self.max_padded)):
                batches.append(batch)
                batch, longest = [], 0
            batch.append(example)
            longest = max(longest, len(example))
        if batch:
            batches.append(batch)
        return batches

    def _interleave(self, pool: List[Example]) -> List[Example]:
        """Return the pool with its domains in turn, each sorted by length and stretched to the longest of them."""
        domains: Dict[Optional[str], List[Example]] = {}
        for example in pool:
            domains.setdefault(get_domain(example.predicted), []).append(example)
        longest = max(len(docs) for docs in domains.values())
        columns = []
        for docs in domains.values():
            docs = _by_length(docs)
            columns.append([docs[i * len(docs) // longest] for i in range(longest)])
        return [example for row in zip(*columns, strict=True) for example in row]


def _by_length(examples: List[Example]) -> List[Example]:
    return sorted(examples, key=len)
