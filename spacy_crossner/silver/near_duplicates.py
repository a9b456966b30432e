"""Sentences that differ from an earlier sentence in a few words only."""

import re
from typing import List, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.strings import hash_string  # type: ignore[attr-defined]

from ..text.duplicates import DuplicateFilter

# Words in a run. A sentence is compared by the set of its runs.
RUN = 3
# Six groups of four hashes: of sentences that share 80% of their runs with an earlier one, 96% are found; of those that
# share half, 32%; a fifth, 1%.
GROUPS, ROWS = 6, 4
# Odd factors make each hash a permutation of the 64-bit numbers.
FACTORS = np.random.default_rng(0).integers(1, 2**63, size=GROUPS * ROWS, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
WORD = re.compile(r"[^\W\d_]+")


class NearDuplicates:
    """Finds sentences that are nearly equal to an earlier one, in memory of fixed size (MinHash; Broder, 1997).

    Sentences are compared by their runs of three words, ignoring case; numbers and symbols are no words. The smallest
    hash of all runs is equal in two sentences with a probability equal to the share of runs that they have in common.
    A sentence is a near-duplicate if all four smallest hashes of one of six groups are equal.

    filter_size (int): size of the filter in MiB, see `DuplicateFilter`.
    """

    def __init__(self, filter_size: int = 64) -> None:
        self.filter = DuplicateFilter(filter_size)

    def first_seen(self, sentences: Sequence[str]) -> NDArray[np.bool_]:
        """Return which sentences are no near-duplicates of earlier ones, of this call or of earlier calls."""
        signatures = [_signature(sentence) for sentence in sentences]
        first = np.zeros(len(sentences), dtype=bool)
        for i, groups in enumerate(signatures):
            # The groups of a sentence differ by their numbers.
            first[i] = self.filter.first_seen(groups).all()
        return first


def _signature(sentence: str) -> List[str]:
    """Return a key for each group of hashes of a sentence."""
    words = WORD.findall(sentence.lower())
    runs = {" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))}
    hashes = np.fromiter(map(hash_string, runs), dtype=np.uint64, count=len(runs))
    # shape: (n_runs, n_hashes)
    mixed = hashes[:, np.newaxis] * FACTORS
    mixed ^= mixed >> np.uint64(32)
    smallest = (mixed * FACTORS[::-1]).min(axis=0).reshape(GROUPS, ROWS)
    return [f"{group} {row.tobytes().hex()}" for group, row in enumerate(smallest)]
