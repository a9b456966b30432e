"""Batches of docs of like length, and of like shares of the domains where a loss needs that."""

import math
import random
from itertools import islice
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.training import Example

from ..annotations.domains import example_domain
from ..errors import CrossnerError, Errors


class PaddedBatcher:
    """Groups examples into batches that waste little padding (registered as a batcher for `[training.batcher]`).

    A pool of examples is sorted by length and cut into batches, which come in random order.

    size (int): examples in a batch at most.
    max_padded (int): tokens in a batch at most, padding included; 0 for no limit. A longer doc is a batch by itself.
    balance (bool): every batch holds as many docs of one domain as of any other, at least one of each; a domain with
        fewer docs than the others is gone through again and again. The docs of a pass are all in memory.
    by_task (bool): with `balance`, docs of a domain that are annotated and docs that are not count as two.
    equal_tokens (bool): the batches of a pool hold as many tokens each, and `size` examples on average. With as many
        examples each, a token in a batch of short ones weighs more, as losses are means over tokens; it shows where
        lengths differ much and an encoder learns from nothing.
    pool (int): batches that are sorted together; with `balance` no more than the smallest domain has docs for.
    seed (int): seed of the order of the batches.
    RAISES (CrossnerError): a number is out of its range.
    """

    def __init__(
        self,
        size: int,
        max_padded: int = 0,
        balance: bool = False,
        by_task: bool = False,
        equal_tokens: bool = False,
        pool: int = 20,
        seed: int = 0,
    ) -> None:
        if size < 1 or pool < 1 or max_padded < 0:
            raise CrossnerError(Errors.C015.format(size=size, pool=pool, max_padded=max_padded))
        self.size = size
        self.max_padded = max_padded
        self.balance = balance
        self.by_task = by_task
        self.equal_tokens = equal_tokens
        self.pool = pool
        self.random = random.Random(seed)

    def __call__(self, examples: Iterable[Example]) -> Iterator[List[Example]]:
        """Yield the batches of one pass."""
        for rows in self._balanced_pools(examples) if self.balance else self._pools(examples):
            batches = self._cut(rows)
            self.random.shuffle(batches)
            yield from batches

    def _pools(self, examples: Iterable[Example]) -> Iterator[List[List[Example]]]:
        """Yield pools of rows of one example, the shortest first."""
        stream = iter(examples)
        while pool := list(islice(stream, self.size * self.pool)):
            yield [[example] for example in _by_length(pool)]

    def _balanced_pools(self, examples: Iterable[Example]) -> Iterator[List[List[Example]]]:
        """Yield pools of rows with one example of each group, of like lengths.

        A pool has no example twice, unless a group has not enough of them for one batch: sorted by length, its copies
        would be one batch.
        """
        groups: Dict[Tuple[Optional[str], bool], List[Example]] = {}
        for example in examples:
            is_annotated = self.by_task and example.reference.has_annotation("ENT_IOB")
            groups.setdefault((example_domain(example), is_annotated), []).append(example)
        sizes = [len(docs) for docs in groups.values()]
        rows = max(1, self.size // max(1, len(groups)))
        # Whole batches.
        n_rows = max(1, min([rows * self.pool, *sizes]) // rows) * rows
        for start in range(0, max(sizes, default=0), n_rows):
            places = range(start, min(start + n_rows, max(sizes)))
            columns = [_by_length([docs[i % len(docs)] for i in places]) for docs in groups.values()]
            yield [list(row) for row in zip(*columns, strict=True)]

    def _cut(self, rows: List[List[Example]]) -> List[List[Example]]:
        """Return batches of whole rows."""
        tokens = [sum(len(example) for example in row) for row in rows]
        share = sum(tokens) / max(1, math.ceil(sum(map(len, rows)) / self.size))
        batches: List[List[Example]] = []
        batch: List[Example] = []
        seen = 0
        for row, n_tokens in zip(rows, tokens, strict=True):
            n = len(batch) + len(row)
            padded = n * max(len(example) for example in [*batch, *row])
            # The middle of a row says on which side of a border it is.
            is_full = seen + n_tokens / 2 > share * (len(batches) + 1) if self.equal_tokens else n > self.size
            if batch and (is_full or (self.max_padded and padded > self.max_padded)):
                batches.append(batch)
                batch = []
            batch = [*batch, *row]
            seen += n_tokens
        if batch:
            batches.append(batch)
        return batches


def _by_length(examples: List[Example]) -> List[Example]:
    return sorted(examples, key=len)
