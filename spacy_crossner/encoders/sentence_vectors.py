"""Sentence vectors beside token vectors: h_CLS of a pre-trained encoder, the mean of the tokens of any other."""

from typing import Any, Callable, List, Tuple, cast

import numpy as np
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model
from thinc.layers.chain import forward as chain_forward
from thinc.types import Floats2d, Ragged

from ..errors import CrossnerError, Errors
from .pooling import POOLING

# Token vectors and sentence vector of each doc.
Vectors = Tuple[List[Floats2d], List[Floats2d]]
Backprop = Callable[[List[Floats2d], List[Floats2d]], Any]


def begin_with_sentences(tok2vec: Model[List[Doc], List[Floats2d]], docs: List[Doc]) -> Tuple[Vectors, Backprop]:
    """Run a tok2vec layer in training and return sentence vectors, too.

    The sentence vector of a pre-trained encoder is the vector of its first piece ([CLS]), the mean over a doc's windows
    where there are several; layers above the pooling go over it as over a doc of one token. The gradient of both goes
    back in one pass.

    tok2vec (Model): the layer.
    docs (List[Doc]): the docs.
    RETURNS (Tuple[Vectors, Backprop]): for each doc its token vectors, shape (n_tokens, width), and its sentence
        vector, shape (1, width), or (0, width) where it has no tokens; and what takes back the gradients of both.
    RAISES (CrossnerError): the encoder's pieces are pooled beside other layers, not in a chain with them.
    """
    layers = flatten_chain(tok2vec)
    places = [i for i, layer in enumerate(layers) if layer.name == POOLING]
    if not places:
        if any(node.name == POOLING for node in tok2vec.walk()):
            raise CrossnerError(Errors.C084.format(name=tok2vec.name))
        return _begin_with_means(tok2vec, docs)
    rows: Any = docs
    below: List[Callable[[Any], Any]] = []
    for layer in layers[: places[0]]:
        rows, callback = layer.begin_update(rows)
        below.append(callback)
    pooled, callback = layers[places[0]].begin_update([with_first_piece(data) for data in rows])
    below.append(callback)
    # A doc without tokens has no rows at all.
    tokens: Any = [found[: len(doc)] for found, doc in zip(pooled, docs, strict=True)]
    sentences: Any = [found[len(doc) :] for found, doc in zip(pooled, docs, strict=True)]
    above: List[Tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []
    for layer in layers[places[0] + 1 :]:
        # Each by itself: to a layer that looks at neighbours the sentence is none of a token.
        tokens, backprop_tokens = layer.begin_update(tokens)
        sentences, backprop_sentences = layer.begin_update(sentences)
        above.append((backprop_tokens, backprop_sentences))

    def backprop(d_tokens: Any, d_sentences: Any) -> Any:
        for backprop_tokens, backprop_sentences in reversed(above):
            d_tokens, d_sentences = backprop_tokens(d_tokens), backprop_sentences(d_sentences)
        pairs = zip(d_tokens, d_sentences, strict=True)
        gradient: Any = [tok2vec.ops.xp.concatenate(pair) if len(pair[0]) else pair[0] for pair in pairs]
        for callback in reversed(below):
            gradient = callback(gradient)
        return gradient

    return (tokens, sentences), backprop


def flatten_chain(layer: Model[Any, Any]) -> List[Model[Any, Any]]:
    """Return the layers that a layer runs one after the other: those of its chains, or itself."""
    if layer._func is not chain_forward:
        return [layer]
    return [inner for part in layer.layers for inner in flatten_chain(part)]


def with_first_piece(data: TransformerData) -> TransformerData:
    """Return an encoder's output with one token more, that stands for the first piece of each window."""
    hidden = data.model_output.get("last_hidden_state")
    if hidden is None or not hidden.size or not len(data.align.lengths):
        return data
    n_windows, n_pieces = hidden.shape[:2]
    pieces = np.asarray(data.align.dataXd).reshape(-1)
    # Other encoders' windows may be padded on the left.
    firsts = np.asarray(data.wordpieces.attention_mask).argmax(axis=1) + np.arange(n_windows) * n_pieces
    align = Ragged(
        cast(Any, np.concatenate([pieces, firsts.astype(pieces.dtype)])),
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
