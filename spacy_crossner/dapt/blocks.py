"""Text as packed blocks of token ids: no padding, no cut but at the end of a block, memory bounded by a batch of lines.

The tokens of all lines are one stream on disk, with a separator after each line. A block is as many of them as fit
between the tokens that the tokenizer begins and ends a text with ([CLS] and [SEP] of BERT).
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import srsly
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from ..data.faults import Faults
from ..data.files import read_lines
from ..errors import CrossnerError
from ..fingerprints import text_digest
from ..text.raw import line_place
from ..training.checkpoint import new_folder
from .masking import Bools, Ints

IDS, STARTS, MANIFEST = "ids.bin", "starts.bin", "stream.json"
# Lines and characters tokenized in one call. Larger calls use more cores; a tokenizer takes 250 bytes a character.
LINES_AT_ONCE = 1000
CHARACTERS_AT_ONCE = 1_000_000
# Characters of a line; a longer one is cut at blanks, since one line cannot be shared among calls.
LONGEST_LINE = 100_000

C423 = "[C423] {paths}: no text in it. A corpus has a sentence or a paragraph a line."


@dataclass(frozen=True)
class Stream:
    """The tokens of a text on disk.

    folder (Path): the folder with the token ids and, for each, whether it begins a word.
    dtype (str): type of the ids in the file.
    lines (int): lines.
    tokens (int): tokens, separators included.
    digest (str): SHA-256 of what they were made from.
    """

    folder: Path
    dtype: str
    lines: int
    tokens: int
    digest: str


class Blocks:
    """Blocks of equal size out of a stream. What is left at its end and fills no block is not used.

    stream (Stream): the tokens.
    tokenizer (PreTrainedTokenizerBase): the tokenizer that made them.
    size (int): tokens of a block, special ones included.
    """

    def __init__(self, stream: Stream, tokenizer: PreTrainedTokenizerBase, size: int) -> None:
        self.size = size
        self.prefix, self.suffix = find_ends(tokenizer)
        self.width = size - len(self.prefix) - len(self.suffix)
        n_blocks = stream.tokens // self.width
        shape = (n_blocks, self.width)
        self.ids, self.starts = (
            # An empty file cannot be mapped.
            np.memmap(stream.folder / name, dtype, mode="r", shape=shape) if n_blocks else np.zeros(shape, dtype)
            for name, dtype in ((IDS, stream.dtype), (STARTS, "bool"))
        )

    def __len__(self) -> int:
        """Return the number of blocks."""
        return len(self.ids)

    def take(self, numbers: Ints) -> Tuple[Ints, Bools]:
        """Return some blocks.

        numbers (Ints): their numbers, shape (n_blocks,).
        RETURNS (Tuple[Ints, Bools]): token ids, and whether each begins a word, shape (n_blocks, size).
        """
        ids = np.empty((len(numbers), self.size), dtype=np.int64)
        starts = np.ones(ids.shape, dtype=bool)
        inner = slice(len(self.prefix), len(self.prefix) + self.width)
        ids[:, : inner.start] = self.prefix
        ids[:, inner.stop :] = self.suffix
        ids[:, inner] = self.ids[numbers]
        starts[:, inner] = self.starts[numbers]
        return ids, starts


class BlockOrder:
    """The order in which a run sees its blocks: all of them in a random order, then all again in another.

    n_blocks (int): number of blocks.
    seed (int): seed of the orders.
    """

    def __init__(self, n_blocks: int, seed: int) -> None:
        self.n_blocks = n_blocks
        self.seed = seed
        self.passes: Dict[int, Ints] = {}

    def take(self, start: int, count: int) -> Ints:
        """Return the numbers of the blocks that come at some places of the run.

        start (int): the first place, from 0.
        count (int): how many.
        """
        places = np.arange(start, start + count)
        of_pass, place = places // self.n_blocks, places % self.n_blocks
        wanted = np.unique(of_pass).tolist()
        kept = {number: self.passes[number] for number in wanted if number in self.passes}
        self.passes = {number: kept[number] if number in kept else self._shuffle(number) for number in wanted}
        block_numbers = np.empty(count, dtype=np.int64)
        for number in wanted:
            here = of_pass == number
            block_numbers[here] = self.passes[number][place[here]]
        return block_numbers

    def _shuffle(self, number: int) -> Ints:
        return np.random.default_rng([self.seed, number]).permutation(self.n_blocks)


def find_ends(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """Return the special tokens that a tokenizer puts before a text and after it."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    first = special.index(0)
    last = len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]


def write_stream(
    texts: Sequence[Path],
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    range_of_lines: Tuple[float, float] = (0.0, 1.0),
    progress: bool = False,
) -> Stream:
    """Tokenise texts into a folder; what is there already, of the same texts and tokenizer, is used as it is.

    texts (Sequence[Path]): text files, plain or gzipped, a sentence or a paragraph a line. A line of more than 100,000
        characters is taken as several, cut at blanks.
    tokenizer (PreTrainedTokenizerBase): a fast tokenizer.
    folder (Path): the folder, complete or not at all.
    range_of_lines (Tuple[float, float]): takes the lines with a `line_place` from the first number to below the second.
    progress (bool): show how far it is, on a terminal.
    RAISES (CrossnerError): a file cannot be read, or there is no text in them.
    """
    sources = [*(text_digest(path) for path in texts), *map(str, range_of_lines), tokenizer_digest(tokenizer)]
    source = hashlib.sha256(" ".join(sources).encode()).hexdigest()
    if _read_manifest(folder / MANIFEST).get("source") == source:
        return read_stream(folder)
    dtype = "uint16" if len(tokenizer) <= 1 << 16 else "uint32"
    separator = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    n_read = n_lines = n_tokens = 0
    with new_folder(folder) as temporary:
        with (temporary / IDS).open("wb") as ids_file, (temporary / STARTS).open("wb") as starts_file:
            lines = iter(tqdm(_lines(texts), desc="tokenise", unit=" lines", disable=None if progress else True))
            for batch in _batches(lines):
                n_read += len(batch)
                if range_of_lines != (0.0, 1.0):
                    first, end = range_of_lines
                    batch = [line for line in batch if first <= line_place(line) < end]
                ids, starts = tokenize(batch, tokenizer, separator)
                ids_file.write(ids.astype(dtype).tobytes())
                starts_file.write(starts.tobytes())
                n_lines, n_tokens = n_lines + len(batch), n_tokens + len(ids)
        if not n_read:
            raise CrossnerError(C423.format(paths=", ".join(map(str, texts))))
        manifest = {"source": source, "dtype": dtype, "lines": n_lines, "tokens": n_tokens}
        srsly.write_json(temporary / MANIFEST, manifest)
    return read_stream(folder)


def read_stream(folder: Path) -> Stream:
    """Return the tokens that `write_stream` has left in a folder."""
    manifest = srsly.read_json(folder / MANIFEST)
    return Stream(folder, manifest["dtype"], manifest["lines"], manifest["tokens"], manifest["source"])


def tokenize(lines: Sequence[str], tokenizer: PreTrainedTokenizerBase, separator: Optional[int]) -> Tuple[Ints, Bools]:
    """Tokenise lines into one sequence, with a separator after each if there is one.

    RETURNS (Tuple[Ints, Bools]): token ids, and whether each begins a word, shape (n_tokens,).
    """
    if not lines:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    # Not for the encoder: a line longer than it takes is no fault.
    encodings = tokenizer(list(lines), add_special_tokens=False, verbose=False).encodings
    end = -1 if separator is None else separator
    ids = np.array([number for encoding in encodings for number in (*encoding.ids, end)], dtype=np.int64)
    # No word has the number -1.
    words = np.array([word for encoding in encodings for word in (*encoding.word_ids, -1)], dtype=np.int64)
    starts = np.ones(len(ids), dtype=bool)
    starts[1:] = words[1:] != words[:-1]
    return (ids, starts) if separator is not None else (ids[ids >= 0], starts[ids >= 0])


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 of what a fast tokenizer does with text."""
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    # Each call sets them anew.
    content.update(truncation=None, padding=None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _lines(texts: Sequence[Path]) -> Iterator[str]:
    for path in texts:
        for _, line in read_lines(Faults(path)):
            yield from _pieces(line.strip())


def _pieces(line: str) -> Iterator[str]:
    """Yield a line, in pieces if it is too long; nothing of an empty one."""
    start = 0
    while start < len(line):
        end = start + LONGEST_LINE
        if end < len(line):
            blank = line.rfind(" ", start + 1, end)
            end = blank if blank > 0 else end
        piece = line[start:end].strip()
        if piece:
            yield piece
        start = end


def _batches(lines: Iterable[str]) -> Iterator[List[str]]:
    """Yield lines as many as are tokenized at once."""
    batch: List[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == LINES_AT_ONCE or size >= CHARACTERS_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read_manifest(path: Path) -> Dict[str, Any]:
    try:
        return dict(srsly.read_json(path))
    except (OSError, ValueError, TypeError):
        return {}
