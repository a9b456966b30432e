"""From words to word vectors, in one tensor for a batch: the part that all encoders of our own share."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag
from transformers import PreTrainedTokenizerBase

from ..annotations.words import WordBatch
from ..errors import CrossnerError, Errors
from ..threads import Lock
from ..tuning import ENCODER_CPU_PIECES, ENCODER_GPU_PIECES
from .piece_batches import PieceBatch, Windows, make_batch
from .precision import check_precision
from .word_pieces import WordPieces

POOLINGS = ("mean", "first", "last", "max")


@dataclass(frozen=True)
class EncoderSettings:
    """Settings of an encoder in a pipeline.

    pooling (str): combines the vectors of a word's pieces: "mean", "first", "last" or "max".
    pieces (int): maximum of word pieces in a window, special tokens not counted; see `Windows`.
    overlap (int): maximum of word pieces that neighbouring windows share.
    precision (str): see `find_dtype`.
    train_precision (Optional[str]): the precision in training; None for `precision`.
    max_pieces (Optional[int]): maximum of word pieces, padding included, in one forward pass. It bounds the memory for
        activations. None for a size that is fast on the device.
    RAISES (CrossnerError): a setting has an invalid value.
    """

    pooling: str = "mean"
    pieces: int = 192
    overlap: int = 48
    precision: str = "auto"
    train_precision: Optional[str] = None
    max_pieces: Optional[int] = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.pooling not in POOLINGS:
            raise CrossnerError(Errors.C097.format(pooling=self.pooling, known=", ".join(POOLINGS)))
        if self.pieces < 1 or not 0 <= self.overlap < self.pieces:
            raise CrossnerError(Errors.C025.format(pieces=self.pieces, overlap=self.overlap))
        if self.max_pieces is not None and self.max_pieces < 1:
            raise CrossnerError(Errors.C026.format(max_pieces=self.max_pieces))
        for precision in (self.precision, self.train_precision or self.precision):
            check_precision(precision)


class WordEncoder:
    """Mixin for a shim: from words to word vectors, in one tensor for a batch. Subclasses run the encoder.

    settings (EncoderSettings): the settings.
    """

    settings: EncoderSettings
    _word_pieces: Optional[WordPieces] = None

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""
        raise NotImplementedError

    @property
    def maximum(self) -> int:
        """Maximum of word pieces that the encoder takes at once, special tokens included."""
        raise NotImplementedError

    @property
    def width(self) -> int:
        """Width of the vectors."""
        raise NotImplementedError

    @property
    def input_device(self) -> torch.device:
        """The device of the inputs and of the vectors."""
        raise NotImplementedError

    @property
    def case_step(self) -> int:
        """What one step of the letter case adds to the id of a word piece; see `letter_case.case_step`."""
        raise NotImplementedError

    def takes_types(self) -> bool:
        """Return whether the encoder takes token types."""
        raise NotImplementedError

    def run_chunks(self, chunks: List[Dict[str, Tensor]], is_train: bool) -> List[Tensor]:
        """Return the last hidden state of each chunk, float32, shape (n_rows, width of the chunk, width).

        chunks (List[Dict[str, Tensor]]): `input_ids`, `attention_mask` and, for an encoder that takes them,
            `token_type_ids`, int64, shape (n_rows, width of the chunk).
        """
        raise NotImplementedError

    @property
    def word_pieces(self) -> WordPieces:
        """The tokenizer with its cache."""
        found = self._word_pieces
        if found is None or found.tokenizer is not self.tokenizer:
            with self._pieces_lock:
                found = self._word_pieces
                if found is None or found.tokenizer is not self.tokenizer:
                    found = self._word_pieces = WordPieces(self.tokenizer, self.case_step)
        return found

    _pieces_lock = Lock()

    def predict_words(self, words: WordBatch) -> Tensor:
        """Return the vectors of all words, shape (n_words, width), without a graph; at least one doc has words."""
        batch = self.prepare(words)
        with torch.no_grad():
            return self.pool_words(self.hidden(batch, False), batch)

    def begin_words(
        self, words: WordBatch, *, with_sentences: bool = False
    ) -> Tuple[Tensor, Optional[Tensor], Callable[[Tensor, Optional[Tensor]], None]]:
        """Encode docs in training.

        words (WordBatch): the words of docs, of which at least one has words.
        with_sentences (bool): compute sentence vectors, too.
        RETURNS (Tuple): the vectors of all words, shape (n_words, width), and of the sentences of docs with words, both
            without a graph; and the backprop, which takes the gradients of both.
        """
        raise NotImplementedError

    def prepare(self, words: WordBatch) -> PieceBatch:
        """Return the inputs of the encoder for a batch of docs, of which at least one has words."""
        settings, pieces = self.settings, self.word_pieces
        room = max(self.maximum - len(pieces.special.before) - len(pieces.special.after), 1)
        limit = min(settings.pieces, room)
        # The overlap is reduced in proportion if the encoder's maximum is below `pieces`.
        windows = Windows(limit, settings.overlap * limit // settings.pieces)
        on_cpu = self.input_device.type == "cpu"
        return make_batch(
            words,
            pieces(words),
            pieces.special,
            windows,
            maximum=self.maximum,
            chunk_pieces=settings.max_pieces or (ENCODER_CPU_PIECES if on_cpu else ENCODER_GPU_PIECES),
        )

    def hidden(self, batch: PieceBatch, is_train: bool) -> Tensor:
        """Return the encoder's vectors of all places of a batch, float32, shape (n_places, width)."""
        device = self.input_device
        arrays = {"input_ids": batch.ids, "attention_mask": batch.mask}
        if self.takes_types():
            arrays["token_type_ids"] = np.zeros_like(batch.ids) if batch.types is None else batch.types
        flat = {name: to_device(array, device) for name, array in arrays.items()}
        chunks = [
            {name: tensor[place : place + rows * width].view(rows, width) for name, tensor in flat.items()}
            for place, rows, width in batch.chunks
        ]
        outputs = self.run_chunks(chunks, is_train)
        return torch.cat([output.flatten(0, 1) for output in outputs])

    def pool_words(self, hidden: Tensor, batch: PieceBatch) -> Tensor:
        """Return the vectors of all words, shape (n_words, width); 0 for a word without pieces."""
        mode = self.settings.pooling
        if mode in ("first", "last"):
            # One piece of each word.
            places = batch.word_firsts + (batch.word_counts - 1 if mode == "last" else 0)
            has_pieces = batch.word_counts > 0
            offsets: NDArray[np.int64] = np.cumsum(has_pieces) - has_pieces
            places, mode = places[has_pieces], "sum"
        else:
            places, offsets = batch.word_places()
        return _pool(hidden, places, offsets, mode)

    def pool_sentences(self, hidden: Tensor, batch: PieceBatch, words: WordBatch, vectors: Tensor) -> Tensor:
        """Return the sentence vector of each doc with words, shape (n_docs, width).

        It is the vector of the first piece ([CLS]), or the mean over the doc's windows if there are several. For an
        encoder without such a piece it is the mean of the words.

        vectors (Tensor): the vectors of the words.
        """
        if not self.word_pieces.special.before:
            lengths = words.lengths[words.lengths > 0]
            return _pool(vectors, np.arange(len(vectors)), np.cumsum(lengths) - lengths, "mean")
        starts = np.flatnonzero(np.diff(batch.doc_of_window, prepend=-1))
        return _pool(hidden, batch.firsts, starts, "mean")


def to_device(array: NDArray[Any], device: torch.device) -> Tensor:
    """Return an array as a tensor on a device. The host does not wait for a GPU."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


def _pool(vectors: Tensor, places: NDArray[np.int64], offsets: NDArray[np.int64], mode: str) -> Tensor:
    """Combine vectors in groups.

    vectors (Tensor): shape (n, width).
    places (NDArray): the rows of the vectors of all groups in order.
    offsets (NDArray): where each group begins in `places`. An empty group gives 0.
    mode (str): "mean", "sum" or "max".
    """
    if not len(places):
        return vectors.new_zeros(len(offsets), vectors.shape[1]) + 0.0 * vectors.sum()
    device = vectors.device
    return embedding_bag(to_device(places, device), vectors, to_device(offsets, device), mode=mode)
