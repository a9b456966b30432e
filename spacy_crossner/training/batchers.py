"""Batches of docs of similar length, balanced over the domains if a loss needs it."""

import math
import random
from itertools import islice
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.training import Example

from ..annotations.domains import example_domain
from ..errors import CrossnerError, Errors


class PaddedBatcher:
    """Groups examples into batches with little padding (registered as a batcher for `[training.batcher]`).

    A pool of examples is sorted by length and cut into batches. The batches of a pool are shuffled.

    size (int): maximum number of examples in a batch.
    max_padded (int): maximum number of tokens in a batch, padding included; 0 for no limit. A longer doc gets a batch
        of its own.
    balance (bool): every batch has the same number of docs from each domain, at least one. A small domain is repeated
        within a pass. All docs of a pass are kept in memory.
    by_task (bool): with `balance`, the annotated and the unannotated docs of a domain count as two domains.
    equal_tokens (bool): all batches of a pool have about the same number of tokens, and `size` examples on average.
        Otherwise tokens in batches of short docs weigh more, since losses are means over tokens. This matters if
        lengths differ much and the encoder is trained from scratch.
    pool (int): number of batches that are sorted together; with `balance`, limited by the size of the smallest domain.
    seed (int): random seed of the order of the batches.
    RAISES (CrossnerError): a setting is out of range.
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
        """Yield pools of rows with one example each, shortest first."""
        stream = iter(examples)
        while pool := list(islice(stream, self.size * self.pool)):
            yield [[example] for example in _by_length(pool)]

    def _balanced_pools(self, examples: Iterable[Example]) -> Iterator[List[List[Example]]]:
        """Yield pools of rows with one example of each group, of similar lengths.

        A pool has no duplicates unless a group is too small for one batch. After sorting by length, the copies of an
        example would be in the same batch.
        """
        groups: Dict[Tuple[Optional[str], bool], List[Example]] = {}
        for example in examples:
            is_annotated = self.by_task and example.reference.has_annotation("ENT_IOB")
            groups.setdefault((example_domain(example), is_annotated), []).append(example)
        sizes = [len(docs) for docs in groups.values()]
        rows = max(1, self.size // max(1, len(groups)))
        # Round down to whole batches.
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
            # A row belongs to the batch in which its middle token falls.
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
