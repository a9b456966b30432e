"""The sentences of raw text, without repetitions and without the sentences of dev and test sets."""

from typing import List, Optional, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..data.normal_form import sentence_keys
from .duplicates import DuplicateFilter
from .excluded import Excluded
from .raw import line_place
from .sentences import split_line


class SentenceStream:
    """Takes blocks of lines, and says which of their sentences to use. It counts all sentences.

    excluded (Optional[Excluded]): the sentences to exclude.
    split (bool): split lines into sentences. Otherwise, each line is a sentence.
    filter_size (int): size of the duplicate filter in MiB, see `DuplicateFilter`.
    share (float): share of the sentences to use. A hash of the sentence decides, so that a smaller share is a subset of
        a larger one.
    """

    def __init__(
        self, excluded: Optional[Excluded], *, split: bool = True, filter_size: int = 64, share: float = 1.0
    ) -> None:
        self.excluded = excluded
        self.split = split
        self.share = share
        self.duplicates = DuplicateFilter(filter_size)
        # Numbers of sentences: read, left out as excluded, left out as repetitions.
        self.read = self.excluded_count = self.repeated = 0

    def take(self, lines: Sequence[str]) -> Tuple[List[str], NDArray[np.bool_]]:
        """Return the sentences of lines, and which of them to use.

        lines (Sequence[str]): non-empty lines with normalized white space.
        """
        sentences, line_numbers = list(lines), list(range(len(lines)))
        if self.split:
            by_line = [list(split_line(line)) for line in lines]
            sentences = [sentence for found in by_line for sentence in found]
            line_numbers = [number for number, found in enumerate(by_line) for _ in found]
        keys = sentence_keys("\n".join(sentences).encode("utf-8")).decode("utf-8").split("\n")
        kept = np.ones(len(keys), dtype=bool)
        if self.excluded:
            kept[self.excluded.find(keys, line_numbers)] = False
        first = self.duplicates.first_seen(keys)
        self.read += len(keys)
        self.excluded_count += int((~kept).sum())
        self.repeated += int((kept & ~first).sum())
        return sentences, kept & first & self._is_drawn(keys)

    def _is_drawn(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        if self.share == 1:
            return np.ones(len(keys), dtype=bool)
        # The prefix gives a hash other than the one that holds out lines later. With the same hash, the share of
        # held-out lines would be too large.
        return np.fromiter((line_place(f"share\n{key}") < self.share for key in keys), dtype=bool, count=len(keys))
