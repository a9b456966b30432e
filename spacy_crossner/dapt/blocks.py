"""Text as packed blocks of token ids, without padding. Memory is bounded by a batch of lines.

The tokens of all lines form one stream on disk, with a separator after each line. The stream is cut into blocks. Each
block starts and ends with the tokenizer's special tokens ([CLS] and [SEP] of BERT).
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
# Lines and characters per tokenizer call. Larger calls use more cores, and about 250 bytes of memory per character.
LINES_AT_ONCE = 1000
CHARACTERS_AT_ONCE = 1_000_000
# Maximum characters in a line. Longer lines are cut at blanks, since a line has to fit into one call.
LONGEST_LINE = 100_000

C423 = "[C423] {paths}: no text in it. Expected one sentence or paragraph per line."


@dataclass(frozen=True)
class Stream:
    """The tokens of a text on disk.

    folder (Path): the folder with the token ids and the word-start flags.
    dtype (str): integer type of the ids in the file.
    lines (int): number of lines.
    tokens (int): number of tokens, separators included.
    digest (str): SHA-256 of the texts, the tokenizer and the range of lines.
    """

    folder: Path
    dtype: str
    lines: int
    tokens: int
    digest: str


class Blocks:
    """Blocks of equal size from a stream. Tokens at its end that do not fill a block are not used.

    stream (Stream): the tokens.
    tokenizer (PreTrainedTokenizerBase): the tokenizer of the stream.
    size (int): tokens per block, special tokens included.
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
        """Return blocks by number.

        numbers (Ints): the block numbers, shape (n_blocks,).
        RETURNS (Tuple[Ints, Bools]): token ids and word-start flags, shape (n_blocks, size).
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
    """The order of the blocks in a run: a new random permutation of all blocks for each pass.

    n_blocks (int): number of blocks.
    seed (int): random seed of the permutations.
    """

    def __init__(self, n_blocks: int, seed: int) -> None:
        self.n_blocks = n_blocks
        self.seed = seed
        self.passes: Dict[int, Ints] = {}

    def take(self, start: int, count: int) -> Ints:
        """Return the block numbers at consecutive positions of the run.

        start (int): the first position, from 0.
        count (int): number of positions.
        """
        positions = np.arange(start, start + count)
        pass_numbers, offsets = positions // self.n_blocks, positions % self.n_blocks
        passes = np.unique(pass_numbers).tolist()
        kept = {number: self.passes[number] for number in passes if number in self.passes}
        self.passes = {number: kept[number] if number in kept else self._shuffle(number) for number in passes}
        block_numbers = np.empty(count, dtype=np.int64)
        for number in passes:
            is_of_pass = pass_numbers == number
            block_numbers[is_of_pass] = self.passes[number][offsets[is_of_pass]]
        return block_numbers

    def _shuffle(self, number: int) -> Ints:
        return np.random.default_rng([self.seed, number]).permutation(self.n_blocks)


def find_ends(tokenizer: PreTrainedTokenizerBase) -> Tuple[List[int], List[int]]:
    """Return the special tokens that a tokenizer adds before and after a text."""
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
    """Tokenize texts into a folder. An existing stream of the same texts and tokenizer is reused.

    texts (Sequence[Path]): text files (plain or .gz), one sentence or paragraph per line. Lines of more than 100,000
        characters are cut at blanks.
    tokenizer (PreTrainedTokenizerBase): a fast tokenizer.
    folder (Path): the output folder, written completely or not at all.
    range_of_lines (Tuple[float, float]): use lines whose `line_place` is in this half-open interval.
    progress (bool): show a progress bar on a terminal.
    RAISES (CrossnerError): a file cannot be read, or the files contain no text.
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
            lines = iter(tqdm(_lines(texts), desc="tokenize", unit=" lines", disable=None if progress else True))
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
    """Return the stream that `write_stream` wrote to a folder."""
    manifest = srsly.read_json(folder / MANIFEST)
    return Stream(folder, manifest["dtype"], manifest["lines"], manifest["tokens"], manifest["source"])


def tokenize(lines: Sequence[str], tokenizer: PreTrainedTokenizerBase, separator: Optional[int]) -> Tuple[Ints, Bools]:
    """Tokenize lines into one sequence, with a separator after each line if there is a separator.

    RETURNS (Tuple[Ints, Bools]): token ids and word-start flags, shape (n_tokens,).
    """
    if not lines:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=bool)
    # `verbose=False`: no warning about lines that are longer than the encoder's maximum.
    encodings = tokenizer(list(lines), add_special_tokens=False, verbose=False).encodings
    end = -1 if separator is None else separator
    ids = np.array([number for encoding in encodings for number in (*encoding.ids, end)], dtype=np.int64)
    # -1 is not a word number.
    words = np.array([word for encoding in encodings for word in (*encoding.word_ids, -1)], dtype=np.int64)
    starts = np.ones(len(ids), dtype=bool)
    starts[1:] = words[1:] != words[:-1]
    return (ids, starts) if separator is not None else (ids[ids >= 0], starts[ids >= 0])


def tokenizer_digest(tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the SHA-256 of the configuration of a fast tokenizer."""
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    # Every call sets these two.
    content.update(truncation=None, padding=None)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _lines(texts: Sequence[Path]) -> Iterator[str]:
    for path in texts:
        for _, line in read_lines(Faults(path)):
            yield from _pieces(line.strip())


def _pieces(line: str) -> Iterator[str]:
    """Yield a line, cut into pieces if it is too long; nothing if it is empty."""
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
    """Yield batches of lines for the tokenizer."""
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
