"""Vectors of the words of a batch, in one tensor, from any tok2vec layer."""

from typing import Any, Callable, List, NamedTuple, Optional, cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d
from thinc.util import get_array_module
from torch import Tensor

from ..annotations.words import WordBatch, Words
from ..encoders.encoder import word_encoder
from ..encoders.listening import find_listeners
from ..encoders.name_features import name_shim
from ..encoders.name_shim import NameShim
from ..encoders.sentence_vectors import begin_with_sentences

# Gradients of word vectors and of sentence vectors -> None.
Backprop = Callable[[Tensor, Optional[Tensor]], Any]


class Encoding(NamedTuple):
    """The vectors of a batch in training, without a graph.

    words (Tensor): the vectors of all words of all docs in order, shape (n_words, width).
    sentences (Optional[Tensor]): the sentence vectors of the docs with words, shape (n_docs, width).
    backprop (Backprop): takes the gradients of both.
    """

    words: Tensor
    sentences: Optional[Tensor]
    backprop: Backprop


def predict_words(tok2vec: Model[Any, Any], words: WordBatch, device: torch.device) -> Tensor:
    """Return the vectors of all words of a batch, shape (n_words, width).

    tok2vec (Model): the layer. `spacy_crossner.Encoder.v1` gives the tensor itself, also below
        `spacy_crossner.NameFeatures.v1`; any other layer gives one array for each doc.
    words (WordBatch): the words; at least one doc has words.
    device (torch.device): the device of the vectors.
    """
    encoder = word_encoder(tok2vec)
    if encoder is not None:
        return encoder.predict_words(words)
    names = name_shim(tok2vec)
    if names is not None:
        vectors = predict_words(tok2vec.layers[0], words, device)
        return names.predict_marked(vectors, names.find(words, is_train=False))
    return _flatten(tok2vec, tok2vec.predict(encoder_inputs(tok2vec, words)), words, device)


def begin_words(
    tok2vec: Model[Any, Any], words: WordBatch, device: torch.device, *, with_sentences: bool = False
) -> Encoding:
    """Return the vectors of a batch in training; see `predict_words` and `Encoding`."""
    encoder = word_encoder(tok2vec)
    if encoder is not None:
        return Encoding(*encoder.begin_words(words, with_sentences=with_sentences))
    names = name_shim(tok2vec)
    if names is not None:
        return _with_names(names, begin_words(tok2vec.layers[0], words, device, with_sentences=with_sentences), words)
    inputs = encoder_inputs(tok2vec, words)
    if not with_sentences:
        rows, backprop_rows = tok2vec.begin_update(inputs)
        flat = _flatten(tok2vec, rows, words, device)
        return Encoding(flat, None, lambda d_words, _: backprop_rows(_unflatten(tok2vec, d_words, rows, words)))
    (rows, sentences), backprop_both = begin_with_sentences(tok2vec, inputs)
    has_words = [len(each) > 0 for each in words]
    found = tok2vec.ops.xp.concatenate([row for row, kept in zip(sentences, has_words, strict=True) if kept])

    def backprop(d_words: Tensor, d_found: Optional[Tensor]) -> Any:
        gradients = iter((torch.zeros_like(d_words[: len(found)]) if d_found is None else d_found).split(1))
        d_sentences = [
            cast(Floats2d, torch2xp(next(gradients))) if kept else 0 * of_doc
            for of_doc, kept in zip(sentences, has_words, strict=True)
        ]
        return backprop_both(_unflatten(tok2vec, d_words, rows, words), d_sentences)

    return Encoding(_flatten(tok2vec, rows, words, device), xp2torch(found, device=device), backprop)


def _with_names(names: NameShim, below: Encoding, words: WordBatch) -> Encoding:
    """Add the features of names to the vectors of words. Sentence vectors have none."""
    vectors, backprop_names = names.begin_marked(below.words, names.find(words, is_train=True))
    return Encoding(
        vectors, below.sentences, lambda d_words, d_sentences: below.backprop(backprop_names(d_words), d_sentences)
    )


def encoder_inputs(tok2vec: Model[Any, Any], words: WordBatch) -> List[Doc]:
    """Return the docs for a tok2vec layer: without blank tokens, or unchanged for a listener.

    The component that a listener listens to has already encoded the docs with their blank tokens.
    """
    listens = all(each.places is None for each in words) or bool(find_listeners(tok2vec))
    return [each.source if listens else each.doc for each in words]


def _flatten(tok2vec: Model[Any, Any], rows: List[Floats2d], words: WordBatch, device: torch.device) -> Tensor:
    # The rows of docs without tokens may have width 0.
    vectors = [drop_blanks(*pair) for pair in zip(rows, words, strict=True)]
    return xp2torch(tok2vec.ops.xp.concatenate([each for each in vectors if len(each)]), device=device)


def _unflatten(tok2vec: Model[Any, Any], d_words: Tensor, rows: List[Floats2d], words: WordBatch) -> List[Floats2d]:
    d_vectors = tok2vec.ops.unflatten(cast(Floats2d, torch2xp(d_words)), tok2vec.ops.asarray1i(words.lengths.tolist()))
    return [put_blanks(*each) for each in zip(d_vectors, rows, words, strict=True)]


def drop_blanks(rows: Floats2d, words: Words) -> Floats2d:
    """Return the rows of the words, given the rows of all tokens or of the words only."""
    if words.places is None or len(rows) == len(words):
        return rows
    return cast(Floats2d, rows[get_array_module(rows).asarray(words.places)])


def put_blanks(d_words: Floats2d, rows: Floats2d, words: Words) -> Floats2d:
    """Return the gradient of the input of `drop_blanks`: 0 at blank tokens."""
    if len(d_words) == len(rows):
        return d_words
    d_rows = get_array_module(rows).zeros_like(rows)
    d_rows[get_array_module(rows).asarray(words.places)] = d_words
    return cast(Floats2d, d_rows)
