"""Word pieces of docs: counted for each token, and as padded batches for the encoder."""

from typing import Any, Dict, List, Sequence, Union

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from ..tuning import CACHED_PIECE_COUNTS
from .saved_tokenizer import stop_cutting


class PieceTokenizer:
    """An encoder's tokenizer, which knows the maximum length of the encoder's input.

    tokenizer (PreTrainedTokenizerBase): a tokenizer of transformers.
    maximum (int): word pieces that the encoder takes at once, special tokens included.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, maximum: int) -> None:
        self.tokenizer = tokenizer
        self.maximum = maximum
        # Pieces of the text itself, special tokens not counted.
        self.room = max(maximum - tokenizer.num_special_tokens_to_add(), 1)
        self._counts: Dict[str, int] = {}
        # In the constructor, because several threads cannot change a tokenizer at the same time.
        stop_cutting(tokenizer)

    def count(self, docs: Sequence[Union[Doc, Span]]) -> List[List[int]]:
        """Count the word pieces of each token of docs or spans.

        A token is counted on its own, with the space before it. In its context it may have one piece more or less, so
        `tokenize_windows` checks the maximum on whole windows.
        """
        texts = [_spaced_words(doc) for doc in docs]
        # Another thread may replace the cache meanwhile, so this thread keeps its own reference.
        if len(self._counts) > CACHED_PIECE_COUNTS:
            self._counts = {}
        counts = self._counts
        new = list({text for words in texts for text in words if text not in counts})
        if new:
            # Not verbose, because the tokenizer would warn of long texts, which are only counted here.
            ids = self.tokenizer(new, add_special_tokens=False, verbose=False)["input_ids"]
            counts.update((text, len(row)) for text, row in zip(new, ids, strict=True))
        return [[counts[text] for text in words] for words in texts]

    def __call__(self, texts: List[str]) -> BatchEncoding:
        """Return the first `maximum` word pieces of each text, padded on the right.

        Truncation and padding are done here, because a tokenizer may have no padding token, or may pad and truncate on
        the left.

        RETURNS (BatchEncoding): `input_ids`, `attention_mask` and, where the tokenizer gives them, `token_type_ids`,
            shape (n_texts, width), and `offset_mapping`, shape (n_texts, width, 2); `input_texts`, the pieces as
            strings; `lengths`, the number of pieces of each text before truncation.
        """
        tokenizer = self.tokenizer
        is_fast = tokenizer.is_fast
        # Not verbose, because the tokenizer would warn of texts that are too long.
        encoded = tokenizer(texts, return_attention_mask=False, return_offsets_mapping=is_fast, verbose=False)
        lengths = [len(row) for row in encoded["input_ids"]]
        for row, length in enumerate(lengths):
            if length > self.maximum:
                kept = self._kept_positions(texts[row], encoded["input_ids"][row])
                for name in encoded:
                    encoded[name][row] = [encoded[name][row][i] for i in kept]
        ids = encoded["input_ids"]
        width = max(1, *map(len, ids))
        mask = np.arange(width) < np.array([len(row) for row in ids])[:, None]
        # A text without pieces attends to one padding piece, because attention to nothing gives NaN.
        mask[:, 0] = True
        padding_values = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
        pieces = {name: _pad(rows, width, padding_values.get(name, 0)) for name, rows in encoded.items()}
        padding = tokenizer.pad_token or ""
        strings = [[*tokenizer.convert_ids_to_tokens(row), *[padding] * (width - len(row))] for row in ids]
        return BatchEncoding(
            {**pieces, "attention_mask": mask.astype(np.int64), "input_texts": strings, "lengths": lengths}
        )

    def _kept_positions(self, text: str, ids: List[int]) -> List[int]:
        """Return the positions of the pieces that truncation keeps: special tokens and the first pieces of the text."""
        (plain,) = self.tokenizer([text], add_special_tokens=False, verbose=False)["input_ids"]
        n_before = next((i for i in range(len(ids)) if ids[i : i + len(plain)] == plain), 0)
        n_special = len(ids) - len(plain)
        return [*range(n_before + self.maximum - n_special), *range(n_before + len(plain), len(ids))]


def find_maximum(tokenizer: PreTrainedTokenizerBase, transformer: PreTrainedModel) -> int:
    """Return the maximum number of word pieces, special tokens included, that an encoder takes at once."""
    # The `model_max_length` of a tokenizer without a limit is 1e30.
    limits = [int(tokenizer.model_max_length), 2**31 - 1]
    positions = getattr(transformer.config, "max_position_embeddings", None) or 0
    if positions > 0:
        # In models like RoBERTa the first position follows the index of the padding.
        padding = [
            module.padding_idx
            for name, module in transformer.named_modules()
            if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
        ]
        limits.append(positions - sum(index + 1 for index in padding[:1] if index is not None))
    return min(limits)


def _pad(rows: List[List[Any]], width: int, value: int) -> NDArray[np.int64]:
    """Return rows of different lengths as one array, padded on the right."""
    depth = next((np.shape(row)[1:] for row in rows if len(row)), ())
    padded = np.full((len(rows), width, *depth), value, dtype=np.int64)
    for i, row in enumerate(rows):
        if len(row):
            padded[i, : len(row)] = row
    return padded


def _spaced_words(doc: Union[Doc, Span]) -> List[str]:
    words, space = [], ""
    for token in doc:
        words.append(space + token.text)
        space = token.whitespace_
    return words
