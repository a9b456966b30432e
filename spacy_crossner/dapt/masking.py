"""Masking for masked language models: single tokens as in BERT or spans as in CrossNER, optionally whole words.

All operations are vectorized over a batch of blocks. The random numbers of a block only depend on the seed and the
block's number in the run. So masks do not depend on the batch size or the number of processes.
"""

from dataclasses import dataclass
from typing import Sequence, Tuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from ..errors import CrossnerError

LEVELS = ("token", "span")

C420 = "[C420] Masking with {setting} = {value}: expected {expected}."
C421 = "[C421] The encoder '{name}' cannot be used for masked language modelling: its tokenizer has no {what}."

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Key = NDArray[np.uint64]


@dataclass(frozen=True)
class Masking:
    """The masking settings.

    level (str): "token", or "span": as "token", followed by `join_isolated`.
    select_fraction (float): fraction of the tokens selected for prediction. Special tokens and padding do not count and
        are never selected.
    mask_fraction (float): fraction of the selected tokens replaced by the mask token.
    random_fraction (float): fraction of the selected tokens replaced by a random token. Other selected tokens stay.
    whole_words (bool): whole-word masking: select and join words, and mask all pieces of a word.
    RAISES (CrossnerError): a setting is out of range.
    """

    level: str = "span"
    select_fraction: float = 0.15
    mask_fraction: float = 0.8
    random_fraction: float = 0.1
    whole_words: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.level not in LEVELS:
            raise CrossnerError(C420.format(setting="level", value=repr(self.level), expected=" or ".join(LEVELS)))
        if not 0 < self.select_fraction < 1:
            raise CrossnerError(
                C420.format(setting="select_fraction", value=self.select_fraction, expected="above 0 and below 1")
            )
        fractions = (self.mask_fraction, self.random_fraction)
        if min(fractions) < 0 or sum(fractions) > 1 + 1e-9:
            expected = "0 or more, with a sum of 1 or less"
            raise CrossnerError(
                C420.format(setting="mask_fraction, random_fraction", value=fractions, expected=expected)
            )


@dataclass(frozen=True)
class MaskedBlocks:
    """Masked blocks and the token ids to predict.

    ids (Ints): token ids after masking, shape (n_blocks, size).
    positions (Ints): selected positions as ascending indices into the flattened blocks, shape (n_masked,).
    targets (Ints): the original token ids at these positions, shape (n_masked,).
    """

    ids: Ints
    positions: Ints
    targets: Ints

    def rows(self, start: int, stop: int) -> "MaskedBlocks":
        """Return the blocks from `start` to `stop` (exclusive)."""
        size = self.ids.shape[1]
        first, last = np.searchsorted(self.positions, (start * size, stop * size))
        return MaskedBlocks(self.ids[start:stop], self.positions[first:last] - start * size, self.targets[first:last])


class MaskCollator:
    """Masks blocks of token ids.

    Special tokens, such as padding and the unknown token, are never masked and never used as random replacement.

    masking (Masking): the masking settings.
    mask_id (int): id of the mask token.
    special_ids (Sequence[int]): ids of all special tokens.
    vocab_size (int): number of token ids.
    seed (int): random seed.
    """

    def __init__(
        self, masking: Masking, *, mask_id: int, special_ids: Sequence[int], vocab_size: int, seed: int = 0
    ) -> None:
        self.masking = masking
        self.mask_id = mask_id
        self.is_special = np.zeros(vocab_size, dtype=bool)
        self.is_special[list(special_ids)] = True
        self.plain_ids = np.flatnonzero(~self.is_special)
        self.key: Key = np.asarray(np.random.SeedSequence(seed).generate_state(2, np.uint64), dtype=np.uint64)

    @classmethod
    def from_tokenizer(
        cls, tokenizer: PreTrainedTokenizerBase, masking: Masking, *, name: str = "", seed: int = 0
    ) -> "MaskCollator":
        """Make a collator for the tokens of a tokenizer.

        name (str): the encoder's name, for the error message.
        RAISES (CrossnerError): the tokenizer has no mask token.
        """
        if tokenizer.mask_token_id is None:
            raise CrossnerError(C421.format(name=name or tokenizer.name_or_path, what="mask token"))
        return cls(
            masking,
            mask_id=tokenizer.mask_token_id,
            special_ids=tokenizer.all_special_ids,
            vocab_size=len(tokenizer),
            seed=seed,
        )

    def __call__(self, ids: Ints, starts: Bools, number: int) -> MaskedBlocks:
        """Mask consecutive blocks of a run.

        ids (Ints): token ids, shape (n_blocks, size).
        starts (Bools): whether a token begins a word, same shape. Only used for whole words.
        number (int): the first block's number in the run, from 0.
        RETURNS (MaskedBlocks): the masked blocks. The given ids are not changed.
        """
        draws = draw_uniform(self.key, number, ids.shape)
        maskable = ~self.is_special[ids]
        if self.masking.whole_words:
            words = np.cumsum(starts | ~maskable | _after(~maskable), axis=1) - 1
            units = np.zeros_like(maskable)
            np.put_along_axis(units, words, maskable, axis=1)
            masked = np.take_along_axis(self._draw(draws[0], units), words, axis=1)
        else:
            masked = self._draw(draws[0], maskable)
        positions = np.flatnonzero(masked)
        targets = ids.ravel()[positions]
        masked_ids = ids.copy()
        masked_ids.ravel()[positions] = self._replace(targets, draws[1].ravel()[positions])
        return MaskedBlocks(masked_ids, positions, targets)

    def _draw(self, draws: NDArray[np.float64], maskable: Bools) -> Bools:
        masked = (draws < self.masking.select_fraction) & maskable
        return join_isolated(masked, maskable) if self.masking.level == "span" else masked

    def _replace(self, targets: Ints, draws: NDArray[np.float64]) -> Ints:
        """Return the replacement of each token: the mask token, a random token, or the token itself."""
        below_mask, width = self.masking.mask_fraction, self.masking.random_fraction
        is_random = (draws >= below_mask) & (draws < below_mask + width)
        replaced = np.where(draws < below_mask, self.mask_id, targets)
        # The position of the draw within its interval is uniform again.
        choice = ((draws[is_random] - below_mask) / max(width, 1e-12) * len(self.plain_ids)).astype(np.int64)
        replaced[is_random] = self.plain_ids[np.minimum(choice, len(self.plain_ids) - 1)]
        return replaced


def draw_uniform(key: Key, number: int, shape: Tuple[int, int]) -> NDArray[np.float64]:
    """Draw two random numbers in [0, 1) for each token of consecutive blocks.

    key (Key): the key of the run's random generator, shape (2,).
    number (int): number of the first block. The draws of a block do not depend on the batch that contains it.
    shape (Tuple[int, int]): number of blocks and tokens per block.
    RETURNS (NDArray[np.float64]): shape (2, n_blocks, size).
    """
    # Philox makes four numbers per counter value. Each block uses a whole number of counter values.
    counts = -(-2 * shape[1] // 4)
    generator = np.random.Generator(np.random.Philox(key=key).advance(number * counts))
    draws = generator.random((shape[0], 4 * counts))
    return np.stack([draws[:, : shape[1]], draws[:, shape[1] : 2 * shape[1]]])


def join_isolated(masked: Bools, maskable: Bools) -> Bools:
    """Move each isolated masked index next to another masked index (CrossNER, "Span-level Pre-training").

    An index is isolated if neither neighbour is masked. Two or more adjacent masked indices are a run and stay masked.
    Rows are processed independently:

    1. The isolated indices are paired from left to right. In a pair (a, b), a moves to b - 1 if that index is maskable,
       otherwise to b + 1. If neither is maskable, b moves to a + 1. If that is not maskable either, both stay.
    2. A last isolated index without partner moves to the nearest unmasked, maskable index next to a run. Runs from
       step 1 count, and ties go to the left. It stays if it now has a masked neighbour or if there is no such index.

    The targets of step 1 are distinct and were not masked: isolated indices have no masked neighbour, b - 1 and a + 1
    are within the pair, and b + 1 is before the next pair.

    masked (Bools): the masked indices, shape (n_rows, size).
    maskable (Bools): the indices that may be masked, same shape. It includes all masked indices.
    RETURNS (Bools): the new masked indices, same shape. Each row has the same number as before.
    """
    result = masked.copy()
    isolated = masked & ~_beside(masked)
    rows, columns = np.nonzero(isolated)
    counts = isolated.sum(axis=1)
    first = np.cumsum(counts) - counts

    second = np.flatnonzero((np.arange(len(rows)) - first[rows]) % 2 == 1)
    row, a, b = rows[second], columns[second - 1], columns[second]
    # Append a column that is not maskable, because b may be the last index.
    can_mask = np.pad(maskable, ((0, 0), (0, 1)))
    before_b, after_b, after_a = can_mask[row, b - 1], can_mask[row, b + 1], can_mask[row, a + 1]
    moves = before_b | after_b | after_a
    result[row[moves], np.where(before_b | after_b, a, b)[moves]] = False
    result[row[moves], np.select([before_b, after_b], [b - 1, b + 1], a + 1)[moves]] = True

    odd = np.flatnonzero(counts % 2)
    column = columns[first[odd] + counts[odd] - 1]
    current = result[odd]
    runs = current & _beside(current)
    open_columns = maskable[odd] & ~current & _beside(runs)
    distance = np.abs(np.arange(masked.shape[1]) - column[:, np.newaxis])
    target = np.where(open_columns, distance, masked.size).argmin(axis=1)
    index = np.arange(len(odd))
    moves = open_columns[index, target] & ~runs[index, column]
    result[odd[moves], column[moves]] = False
    result[odd[moves], target[moves]] = True
    return result


def _beside(flags: Bools) -> Bools:
    """Return which indices have a flagged neighbour."""
    neighbours = np.zeros_like(flags)
    neighbours[:, 1:] = flags[:, :-1]
    neighbours[:, :-1] |= flags[:, 1:]
    return neighbours


def _after(flags: Bools) -> Bools:
    """Return which indices are first in their row or follow a flagged index."""
    shifted = np.ones_like(flags)
    shifted[:, 1:] = flags[:, :-1]
    return shifted
