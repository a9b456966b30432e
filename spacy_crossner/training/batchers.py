"""Batches of docs of like length, and of like shares of the domains where a loss needs that."""

import random
from itertools import islice
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.training import Example

from ..domains import get_domain
from ..errors import CrossnerError, Errors


class PaddedBatcher:
    """Groups examples into batches that waste little padding (registered as a batcher for `[training.batcher]`).

    A pool of examples is sorted by length and cut into batches, which come in random order.

    size (int): examples in a batch at most.
    max_padded (int): tokens in a batch at most, padding included; 0 for no limit. A longer doc is a batch by itself.
    balance (bool): every batch holds as many docs of one domain as of any other in its pool, at least one of each; a
        domain with fewer docs in the pool than the others is gone through again.
    by_task (bool): with `balance`, docs of a domain that are annotated and docs that are not count as two.
    pool (int): batches that are sorted together.
    seed (int): seed of the order of the batches.
    RAISES (CrossnerError): a number is out of its range.
    """

    def __init__(
        self,
        size: int,
        max_padded: int = 0,
        balance: bool = False,
        by_task: bool = False,
        pool: int = 20,
        seed: int = 0,
    ) -> None:
        if size < 1 or pool < 1 or max_padded < 0:
            raise CrossnerError(Errors.C015.format(size=size, pool=pool, max_padded=max_padded))
        self.size = size
        self.max_padded = max_padded
        self.balance = balance
        self.by_task = by_task
        self.pool = pool
        self.random = random.Random(seed)

    def __call__(self, examples: Iterable[Example]) -> Iterator[List[Example]]:
        """Yield the batches of one pass."""
        stream = iter(examples)
        while pool := list(islice(stream, self.size * self.pool)):
            rows = self._interleave(pool) if self.balance else [[example] for example in _by_length(pool)]
            batches = self._cut(rows)
            self.random.shuffle(batches)
            yield from batches

    def _interleave(self, pool: List[Example]) -> List[List[Example]]:
        """Return rows with one example of each group, of like lengths; small groups are stretched to the largest."""
        groups: Dict[Tuple[Optional[str], bool], List[Example]] = {}
        for example in pool:
            is_annotated = self.by_task and example.reference.has_annotation("ENT_IOB")
            groups.setdefault((get_domain(example.predicted), is_annotated), []).append(example)
        longest = max(len(docs) for docs in groups.values())
        columns = []
        for docs in groups.values():
            docs = _by_length(docs)
            columns.append([docs[i * len(docs) // longest] for i in range(longest)])
        return [list(row) for row in zip(*columns, strict=True)]

    def _cut(self, rows: Iterable[List[Example]]) -> List[List[Example]]:
        """Return batches of whole rows."""
        batches: List[List[Example]] = []
        batch: List[Example] = []
        for row in rows:
            n = len(batch) + len(row)
            padded = n * max(len(example) for example in [*batch, *row])
            if batch and (n > self.size or (self.max_padded and padded > self.max_padded)):
                batches.append(batch)
                batch = []
            batch = [*batch, *row]
        if batch:
            batches.append(batch)
        return batches


def _by_length(examples: List[Example]) -> List[Example]:
    return sorted(examples, key=len)
