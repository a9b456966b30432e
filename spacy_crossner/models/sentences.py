"""Sentence vectors beside token vectors: h_CLS of a pre-trained encoder, the mean of the tokens of any other."""

from typing import Any, Callable, List, Optional, Tuple, cast

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.types import Floats2d, Ragged

# The layer that makes token vectors of an encoder's pieces, last of a chain in a listener and in an inline encoder.
POOLING = "trfs2arrays"

# Token vectors and sentence vector of each doc.
Vectors = Tuple[List[Floats2d], List[Floats2d]]
Backprop = Callable[[List[Floats2d], List[Floats2d]], Any]


def begin_with_sentences(tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Tuple[Vectors, Backprop]:
    """Run a tok2vec layer in training and return sentence vectors, too.

    The sentence vector of a pre-trained encoder is the vector of its first piece ([CLS]), the mean over a doc's windows
    where there are several. The gradient of both goes back in one pass.

    tok2vec (Model): the layer.
    docs (List[Doc]): the docs.
    RETURNS (Tuple[Vectors, Backprop]): for each doc its token vectors, shape (n_tokens, width), and its sentence
        vector, shape (1, width), or (0, width) where it has no tokens; and what takes back the gradients of both.
    """
    pooling = find_pooling(tok2vec)
    if pooling is None:
        return _begin_with_means(tok2vec, docs)
    layers = pooling.layers
    rows: Any = docs
    callbacks: List[Callable[[Any], Any]] = []
    for layer in layers[:-1]:
        rows, callback = layer.begin_update(rows)
        callbacks.append(callback)
    pooled, backprop_pooling = layers[-1].begin_update([with_first_piece(data) for data in rows])

    def backprop(d_tokens: List[Floats2d], d_sentences: List[Floats2d]) -> Any:
        pairs = zip(d_tokens, d_sentences, strict=True)
        both = [tok2vec.ops.xp.concatenate(pair) if len(pair[0]) else pair[0] for pair in pairs]
        gradient = backprop_pooling(both)
        for callback in reversed(callbacks):
            gradient = callback(gradient)
        return gradient

    # A doc without tokens has no rows at all.
    tokens = [found[: len(doc)] for found, doc in zip(pooled, docs, strict=True)]
    sentences = [found[len(doc) :] for found, doc in zip(pooled, docs, strict=True)]
    return (tokens, sentences), backprop


def find_pooling(tok2vec: Model[Any, Any]) -> Optional[Model[Any, Any]]:
    """Return the chain that ends in the pooling of an encoder's pieces, if there is one."""
    for node in tok2vec.walk():
        if len(node.layers) > 1 and node.layers[-1].name == POOLING:
            return node
    return None


def with_first_piece(data: TransformerData) -> TransformerData:
    """Return an encoder's output with one token more, that stands for the first piece of each window."""
    hidden = data.model_output.get("last_hidden_state")
    if hidden is None or not hidden.size or not len(data.align.lengths):
        return data
    n_windows, n_pieces = hidden.shape[:2]
    pieces = np.asarray(data.align.dataXd).reshape(-1)
    align = Ragged(
        cast(Any, np.concatenate([pieces, np.arange(n_windows, dtype=pieces.dtype) * n_pieces])),
        cast(Any, np.concatenate([np.asarray(data.align.lengths), [n_windows]]).astype("i")),
    )
    return TransformerData(wordpieces=data.wordpieces, model_output=data.model_output, align=align)


def _begin_with_means(tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Tuple[Vectors, Backprop]:
    tokens, backprop_tokens = tok2vec.begin_update(docs)
    sentences = [rows.mean(axis=0, keepdims=True) if len(rows) else rows for rows in tokens]

    def backprop(d_tokens: List[Floats2d], d_sentences: List[Floats2d]) -> Any:
        return backprop_tokens(
            [
                cast(Floats2d, rows + of_sentence / len(rows)) if len(rows) else rows
                for rows, of_sentence in zip(d_tokens, d_sentences, strict=True)
            ]
        )

    return (tokens, cast(List[Floats2d], sentences)), backprop
