"""A filter of fixed size for sentences that have been seen before."""

from typing import Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

# Slots of a bucket, which then fills a cache line: one access of memory a sentence. More slots forget later and take
# more sentences for seen ones.
SLOTS = 16
FINGERPRINT = np.dtype(np.uint32)
HALF = np.uint64(32)


class DuplicateFilter:
    """Remembers sentences by 32 bits of their hash (spaCy's 64-bit one), in buckets of 16 that other bits choose.

    The size does not grow with the text. A set of the hashes takes about as long, and 7 times the memory of the default
    size for a gigabyte of text (`benchmarks/select_parts.py`).

    A new sentence is taken for a seen one, and so lost, when one of the up to 16 in its bucket has its 32 bits: a
    chance of 16 / 2 ** 32 at most, 4 in a thousand million, however much was read. Where a bucket is full its oldest
    sentence is forgotten, and a repetition of that sentence is kept. 1 MiB remembers 262,144 sentences at most, and
    forgets few up to half of that.

    mebibytes (int): the size; memory is taken as it is needed.
    """

    def __init__(self, mebibytes: int) -> None:
        self.n_buckets = mebibytes * 2**20 // (SLOTS * FINGERPRINT.itemsize)
        self.buckets = np.zeros((self.n_buckets, SLOTS), dtype=FINGERPRINT)
        self.next_slot = np.zeros(self.n_buckets, dtype=np.uint8)
        self.forgotten = 0

    def first_seen(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Say which sentences have not been seen before, here or in earlier calls, and remember them.

        keys (Sequence[str]): what is compared of each sentence.
        RETURNS (NDArray[np.bool_]): for each key, True where it is the first of its kind.
        """
        hashes = np.fromiter(map(hash_string, keys), dtype=np.uint64, count=len(keys))
        first = np.zeros(len(keys), dtype=bool)
        _, once = np.unique(hashes, return_index=True)
        buckets = ((hashes[once] >> HALF) * np.uint64(self.n_buckets) >> HALF).astype(np.int64)
        # 0 is an empty slot.
        prints = np.maximum(hashes[once].astype(FINGERPRINT), 1)
        new = ~(self.buckets[buckets] == prints[:, np.newaxis]).any(axis=1)
        first[once[new]] = True
        self._remember(buckets[new], prints[new])
        return first

    def _remember(self, buckets: NDArray[np.int64], prints: NDArray[np.uint32]) -> None:
        """Write fingerprints into the next slots of their buckets, the first ones again after the last."""
        order = np.argsort(buckets, kind="stable")
        buckets, prints = buckets[order], prints[order]
        # Of several in one bucket each takes a slot of its own.
        start = np.searchsorted(buckets, buckets, side="left")
        slots = (self.next_slot[buckets] + np.arange(len(buckets)) - start) % SLOTS
        self.forgotten += int(np.count_nonzero(self.buckets[buckets, slots]))
        self.buckets[buckets, slots] = prints
        self.next_slot[buckets] = (slots + 1) % SLOTS
