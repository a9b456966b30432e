"""Alignment of tokens with word pieces, and the output of a batch divided by doc, in spacy-transformers' classes."""

from typing import Any, List, Optional, cast

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import torch2xp
from thinc.types import Ragged
from torch import Tensor
from transformers.file_utils import ModelOutput


def keep_best_windows(align: Ragged, windows: List[List[Span]], width: int) -> Ragged:
    """Align each token with one window only: the window in which its distance from the nearer end is largest.

    spacy-transformers aligns a token in two windows with its pieces in both, and the pooling averages them. Near the
    end of a window, a vector lacks context. So only the better window is kept, or the first of two equal windows.

    align (Ragged): the rows of the pieces of each token, by spacy-transformers.
    windows (List[List[Span]]): the windows of each doc.
    width (int): rows of a window, padding included.
    RETURNS (Ragged): the alignment with the rows of one window for each token.
    """
    if all(len(spans) <= 1 for spans in windows):
        return align
    rows, n_rows = np.asarray(align.dataXd), np.asarray(align.lengths)
    n_tokens = len(n_rows)
    best = np.full(n_tokens, -1)
    context = np.full(n_tokens, -1)
    window, offset = 0, 0
    for spans in windows:
        for span in spans:
            span_tokens = slice(offset + span.start, offset + span.end)
            to_end = np.minimum(np.arange(len(span)), np.arange(len(span))[::-1])
            best[span_tokens] = np.where(to_end > context[span_tokens], window, best[span_tokens])
            context[span_tokens] = np.maximum(to_end, context[span_tokens])
            window += 1
        offset += len(spans[0].doc) if spans else 0
    tokens = np.repeat(np.arange(n_tokens), n_rows)
    kept = rows // width == best[tokens]
    lengths = np.bincount(tokens[kept], minlength=n_tokens).astype(n_rows.dtype)
    return Ragged(rows[kept], lengths)  # type: ignore[arg-type]


def align_tokens(data: TransformerData, n_tokens: int, places: Optional[NDArray[np.int64]]) -> TransformerData:
    """Align the output for the words of a doc with all its tokens: blank tokens have no pieces.

    data (TransformerData): the output for the words.
    n_tokens (int): number of the doc's tokens.
    places (Optional[NDArray]): the token index of each word; see `Words`.
    """
    if places is None:
        return data
    lengths = np.zeros(n_tokens, dtype="i")
    lengths[places] = np.asarray(data.align.lengths)
    align = Ragged(data.align.dataXd, cast(Any, lengths))
    return TransformerData(wordpieces=data.wordpieces, model_output=data.model_output, align=align)


def split_whole_docs(
    docs: List[Doc], windows: List[List[Span]], wordpieces: WordpieceBatch, output: ModelOutput, align: Ragged
) -> Optional[List[TransformerData]]:
    """Split a batch by doc, if each doc is one window, as usual for docs of a few sentences.

    The general method of spacy-transformers visits every token, which takes 3% of the time of a small encoder.

    RETURNS (Optional[List[TransformerData]]): the output for each doc. None if a doc has several windows, or if the
        output contains values other than tensors: spacy-transformers must split such a batch.
    """
    pairs = zip(docs, windows, strict=True)
    whole = all([len(span) for span in spans] == ([len(doc)] if len(doc) else []) for doc, spans in pairs)
    if not whole or not all(isinstance(value, Tensor) for value in output.values()):
        return None
    arrays = {name: torch2xp(value) for name, value in output.items()}
    width = wordpieces.input_ids.shape[1]
    parts: List[TransformerData] = []
    row, token = 0, 0
    for doc in docs:
        if not len(doc):
            parts.append(TransformerData.empty())
            continue
        aligned = align[token : token + len(doc)]
        aligned.data = aligned.data - row * width
        tensors = ModelOutput({name: array[row : row + 1] for name, array in arrays.items()})
        parts.append(TransformerData(wordpieces=wordpieces[row : row + 1], model_output=tensors, align=aligned))
        row, token = row + 1, token + len(doc)
    return parts
