"""The progress of a run: a bar with the speed and the time left, and the counts."""

import time
from types import TracebackType
from typing import Optional, Type

from tqdm import tqdm

from .counts import Counts
from .reading import Block

BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


class Progress:
    """Counts the blocks of a run and shows them on a terminal.

    total (int): size of the inputs in bytes; the bar shows the share of them that is done.
    """

    def __init__(self, total: int) -> None:
        self.counts = Counts()
        # Texts that an earlier run has annotated, words that this run has annotated.
        self.n_kept = self.n_words = 0
        self.begun = time.perf_counter()
        self.bar = tqdm(total=total, desc="annotate", bar_format=BAR, disable=None, leave=False)

    def __enter__(self) -> "Progress":
        """Return the progress."""
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], traceback: Optional[TracebackType]
    ) -> None:
        """Remove the bar."""
        self.bar.close()

    def keep(self, block: Block, counts: Counts) -> None:
        """Count a block that an earlier run has annotated."""
        self.counts.add(counts, block.number)
        self.n_kept += counts.texts
        if not self.bar.disable:
            # Otherwise the bar would take it for the speed of this run.
            self.bar.initial += block.size
        self.bar.update(block.size)

    def add(self, block: Block, counts: Counts) -> None:
        """Count a block that was annotated now."""
        self.counts.add(counts, block.number)
        self.n_words += counts.words
        seconds = self.seconds
        texts = (self.counts.texts - self.n_kept) / seconds
        self.bar.set_postfix_str(f"{texts:,.0f} texts/s, {self.n_words / seconds:,.0f} words/s", refresh=False)
        self.bar.update(block.size)

    @property
    def seconds(self) -> float:
        """The time since the beginning."""
        return max(1e-9, time.perf_counter() - self.begun)
