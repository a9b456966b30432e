"""A filter of fixed size for repeated sentences."""

from typing import Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

# Slots of a bucket. 16 slots fill a cache line, so that each sentence takes one memory access. With more slots, the
# filter forgets later and has more false positives.
SLOTS = 16
FINGERPRINT = np.dtype(np.uint32)
HALF = np.uint64(32)


class DuplicateFilter:
    """Stores a 32-bit fingerprint of each sentence, in buckets of 16. Other bits of the hash choose the bucket.

    The hash is spaCy's 64-bit string hash. The size of the filter does not grow with the text. For a gigabyte of text,
    a set of the hashes takes about the same time, and 7 times the memory of the default size
    (`benchmarks/select_parts.py`).

    False positives: a new sentence is dropped if one of the up to 16 sentences in its bucket has the same fingerprint.
    The probability is at most 16 / 2 ** 32 (4 in 10 ** 9), for any amount of text. False negatives: a full bucket
    forgets its oldest sentence, and a repetition of that sentence is kept. 1 MiB stores up to 262,144 sentences; up to
    half of that number, few are forgotten.

    mebibytes (int): the size. The operating system allocates the memory as it is used.
    """

    def __init__(self, mebibytes: int) -> None:
        self.n_buckets = mebibytes * 2**20 // (SLOTS * FINGERPRINT.itemsize)
        self.buckets = np.zeros((self.n_buckets, SLOTS), dtype=FINGERPRINT)
        self.next_slot = np.zeros(self.n_buckets, dtype=np.uint8)
        self.forgotten = 0

    def first_seen(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Find the sentences that are new in this call and in all earlier calls, and remember them.

        keys (Sequence[str]): the key of each sentence. Sentences with equal keys are repetitions.
        RETURNS (NDArray[np.bool_]): for each key, True at its first occurrence.
        """
        hashes = np.fromiter(map(hash_string, keys), dtype=np.uint64, count=len(keys))
        first = np.zeros(len(keys), dtype=bool)
        _, once = np.unique(hashes, return_index=True)
        buckets = ((hashes[once] >> HALF) * np.uint64(self.n_buckets) >> HALF).astype(np.int64)
        # 0 marks an empty slot, so no fingerprint is 0.
        prints = np.maximum(hashes[once].astype(FINGERPRINT), 1)
        new = ~(self.buckets[buckets] == prints[:, np.newaxis]).any(axis=1)
        first[once[new]] = True
        self._remember(buckets[new], prints[new])
        return first

    def _remember(self, buckets: NDArray[np.int64], prints: NDArray[np.uint32]) -> None:
        """Write fingerprints into the next slots of their buckets, as in a ring buffer."""
        order = np.argsort(buckets, kind="stable")
        buckets, prints = buckets[order], prints[order]
        # Several fingerprints of one bucket get consecutive slots.
        start = np.searchsorted(buckets, buckets, side="left")
        slots = (self.next_slot[buckets] + np.arange(len(buckets)) - start) % SLOTS
        self.forgotten += int(np.count_nonzero(self.buckets[buckets, slots]))
        self.buckets[buckets, slots] = prints
        self.next_slot[buckets] = (slots + 1) % SLOTS
