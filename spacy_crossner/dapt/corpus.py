"""The corpus of an adaptation: training blocks and held-out blocks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
from accelerate import Accelerator
from transformers import PreTrainedTokenizerBase

from ..errors import CrossnerError
from .blocks import Blocks, Stream, read_stream, write_stream
from .masking import Bools, Ints

# Maximum number of held-out blocks. More blocks take longer without a more precise loss.
MOST_HELD_OUT = 512

C424 = (
    "[C424] {paths}: {tokens} training tokens in {lines} line(s) do not fill a block of {size}. Give more text or a "
    "smaller block size."
)
C432 = (
    "[C432] {paths}: the lines held out of {lines} line(s) do not fill a block of {size}. Give more lines of text, "
    "a smaller block size, or a text to evaluate on (--held-out-text)."
)


@dataclass(frozen=True)
class DaptCorpus:
    """Training blocks and held-out blocks.

    train_stream (Stream): the tokens to train on.
    held_out_stream (Stream): the tokens to evaluate on.
    train (Blocks): the blocks to train on.
    held_out (Blocks): the blocks to evaluate on.
    """

    train_stream: Stream
    held_out_stream: Stream
    train: Blocks
    held_out: Blocks

    @property
    def counts(self) -> Dict[str, int]:
        """Sizes of the corpus by name."""
        used = len(self.train) * self.train.width
        return {
            "lines to train on": self.train_stream.lines,
            "tokens to train on": self.train_stream.tokens,
            "unused tokens at the end": self.train_stream.tokens - used,
            "blocks to train on": len(self.train),
            "lines held out": self.held_out_stream.lines,
            "held-out blocks": min(len(self.held_out), MOST_HELD_OUT),
        }

    def take_held_out(self) -> Tuple[Ints, Bools]:
        """Return the held-out blocks, see `Blocks.take`. If there are too many, return an evenly spaced sample."""
        n_blocks = len(self.held_out)
        return self.held_out.take(np.linspace(0, n_blocks - 1, min(n_blocks, MOST_HELD_OUT)).astype(np.int64))


def open_corpus(
    accelerator: Accelerator,
    texts: Sequence[Path],
    held_out_text: Optional[Path],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    size: int,
    share: float,
) -> DaptCorpus:
    """Tokenize texts, hold out a fraction of their lines unless there is a held-out text, and cut both into blocks.

    accelerator (Accelerator): the processes. Each process has to call this function.
    texts (Sequence[Path]): the training texts.
    held_out_text (Optional[Path]): the text to evaluate on.
    tokenizer (PreTrainedTokenizerBase): the tokenizer.
    folder (Path): the folder for the tokens.
    size (int): tokens per block.
    share (float): fraction of the lines to hold out, by `line_place`. It is doubled, up to 0.5, until it fills a block.
    RAISES (CrossnerError): a text cannot be read or is too short.
    """
    paths = ", ".join(map(str, texts))
    if held_out_text:
        train_stream = open_stream(accelerator, texts, tokenizer, folder / "train", (0.0, 1.0))
        held_out_stream = open_stream(accelerator, [held_out_text], tokenizer, folder / "held-out", (0.0, 1.0))
        paths_held_out = str(held_out_text)
    else:
        paths_held_out = paths
        while True:
            held_out_stream = open_stream(accelerator, texts, tokenizer, folder / "held-out", (0.0, share))
            if share >= 0.5 or len(Blocks(held_out_stream, tokenizer, size)):
                break
            share = min(2 * share, 0.5)
        train_stream = open_stream(accelerator, texts, tokenizer, folder / "train", (share, 1.0))
    train, held_out = Blocks(train_stream, tokenizer, size), Blocks(held_out_stream, tokenizer, size)
    if not len(train):
        lines, tokens = train_stream.lines, train_stream.tokens
        raise CrossnerError(C424.format(paths=paths, tokens=tokens, lines=lines, size=size))
    if not len(held_out):
        lines = held_out_stream.lines if held_out_text else held_out_stream.lines + train_stream.lines
        raise CrossnerError(C432.format(paths=paths_held_out, lines=lines, size=size))
    return DaptCorpus(train_stream, held_out_stream, train, held_out)


def open_stream(
    accelerator: Accelerator,
    texts: Sequence[Path],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    range_of_lines: Tuple[float, float],
) -> Stream:
    """Tokenize texts on the main process, and on other hosts that do not share its folder."""
    if accelerator.is_main_process:
        write_stream(texts, tokenizer, folder, range_of_lines=range_of_lines, progress=True)
    accelerator.wait_for_everyone()
    if accelerator.is_local_main_process and not accelerator.is_main_process:
        write_stream(texts, tokenizer, folder, range_of_lines=range_of_lines)
    accelerator.wait_for_everyone()
    return read_stream(folder)
