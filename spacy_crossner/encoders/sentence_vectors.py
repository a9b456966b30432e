"""Sentence vectors beside token vectors: h_CLS of a pre-trained encoder, or the mean of another encoder's tokens."""

import dataclasses
from typing import Any, Callable, List, Tuple, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.layers.chain import forward as chain_forward
from thinc.types import Floats2d, Ragged

from ..errors import CrossnerError, Errors
from .pooling import POOLING

# Token vectors and sentence vector of each doc.
Vectors = Tuple[List[Floats2d], List[Floats2d]]
Backprop = Callable[[List[Floats2d], List[Floats2d]], Any]


def begin_with_sentences(tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Tuple[Vectors, Backprop]:
    """Run a tok2vec layer in training and return token vectors and sentence vectors.

    The sentence vector of a pre-trained encoder is the vector of its first piece ([CLS]), or the mean over a doc's
    windows if there are several. Layers above the pooling run on it as on a doc of one token. The gradients of both
    kinds of vectors are propagated in one pass.

    tok2vec (Model): the layer.
    docs (List[Doc]): the docs.
    RETURNS (Tuple[Vectors, Backprop]): for each doc its token vectors, shape (n_tokens, width), and its sentence
        vector, shape (1, width), or (0, width) for a doc without tokens; and the backprop of both.
    RAISES (CrossnerError): the pooling is not in a chain with the other layers, but in one of several branches.
    """
    layers = flatten_chain(tok2vec)
    pooling_layers = [i for i, layer in enumerate(layers) if layer.name == POOLING]
    if not pooling_layers:
        if any(node.name == POOLING for node in tok2vec.walk()):
            raise CrossnerError(Errors.C084.format(name=tok2vec.name))
        return _begin_with_means(tok2vec, docs)
    rows: Any = docs
    backprops_below: List[Callable[[Any], Any]] = []
    for layer in layers[: pooling_layers[0]]:
        rows, callback = layer.begin_update(rows)
        backprops_below.append(callback)
    pooled, callback = layers[pooling_layers[0]].begin_update([with_first_piece(data) for data in rows])
    backprops_below.append(callback)
    # A doc without tokens has neither token rows nor a sentence row.
    tokens: Any = [doc_rows[: len(doc)] for doc_rows, doc in zip(pooled, docs, strict=True)]
    sentences: Any = [doc_rows[len(doc) :] for doc_rows, doc in zip(pooled, docs, strict=True)]
    backprops_above: List[Tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []
    for layer in layers[pooling_layers[0] + 1 :]:
        # Separately, because the sentence vector must not be a token's neighbour in a contextual layer.
        tokens, backprop_tokens = layer.begin_update(tokens)
        sentences, backprop_sentences = layer.begin_update(sentences)
        backprops_above.append((backprop_tokens, backprop_sentences))

    def backprop(d_tokens: Any, d_sentences: Any) -> Any:
        for backprop_tokens, backprop_sentences in reversed(backprops_above):
            d_tokens, d_sentences = backprop_tokens(d_tokens), backprop_sentences(d_sentences)
        pairs = zip(d_tokens, d_sentences, strict=True)
        gradient: Any = [tok2vec.ops.xp.concatenate(pair) if len(pair[0]) else pair[0] for pair in pairs]
        for callback in reversed(backprops_below):
            gradient = callback(gradient)
        return gradient

    return (tokens, sentences), backprop


def flatten_chain(layer: Model[Any, Any]) -> List[Model[Any, Any]]:
    """Return the layers of nested chains in order; for a layer that is not a chain, the layer itself."""
    if layer._func is not chain_forward:
        return [layer]
    return [inner for child in layer.layers for inner in flatten_chain(child)]


def with_first_piece(data: Any) -> Any:
    """Return an encoder's output with one more token, aligned with the first piece of each window.

    data (TransformerData): the output for a doc, in the class of spacy-transformers, which is not imported here.
    RETURNS (TransformerData): a copy with another alignment.
    """
    hidden = data.model_output.get("last_hidden_state")
    if hidden is None or not hidden.size or not len(data.align.lengths):
        return data
    n_windows, n_pieces = hidden.shape[:2]
    pieces = np.asarray(data.align.dataXd).reshape(-1)
    # Encoders other than ours may pad windows on the left.
    firsts = np.asarray(data.wordpieces.attention_mask).argmax(axis=1) + np.arange(n_windows) * n_pieces
    align = Ragged(
        cast(Any, np.concatenate([pieces, firsts.astype(pieces.dtype)])),
        cast(Any, np.concatenate([np.asarray(data.align.lengths), [n_windows]]).astype("i")),
    )
    return dataclasses.replace(data, align=align)


def _begin_with_means(tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Tuple[Vectors, Backprop]:
    tokens, backprop_tokens = tok2vec.begin_update(docs)
    sentences = [rows.mean(axis=0, keepdims=True) if len(rows) else rows for rows in tokens]

    def backprop(d_tokens: List[Floats2d], d_sentences: List[Floats2d]) -> Any:
        return backprop_tokens(
            [
                cast(Floats2d, rows + d_sentence / len(rows)) if len(rows) else rows
                for rows, d_sentence in zip(d_tokens, d_sentences, strict=True)
            ]
        )

    return (tokens, cast(List[Floats2d], sentences)), backprop
