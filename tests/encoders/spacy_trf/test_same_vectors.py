"""`spacy_crossner.Encoder.v1` gives the vectors of the layer on spacy-transformers."""

import numpy as np
import pytest
from thinc.api import reduce_first, reduce_last, reduce_max, reduce_mean

from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.encoding import encoder_inputs
from spacy_crossner.encoders.encoder import word_encoder
from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.pooling import guard_pooling
from spacy_crossner.encoders.sentence_vectors import begin_with_sentences
from spacy_crossner.encoders.spacy_trf.transformer import build_tok2vec_transformer

from ..encoder_checks import STILL, batch, opened


def old_layer(folder, pooling="mean", **settings):
    layers = {"mean": reduce_mean, "first": reduce_first, "last": reduce_last, "max": reduce_max}
    old = build_tok2vec_transformer(str(folder), PieceWindows(), layers[pooling](), **settings)
    old.initialize()
    guard_pooling(old)
    return old


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max"])
def test_vectors_are_those_of_the_layer_on_spacy_transformers(tiny_encoder, pooling):
    model, old = opened(tiny_encoder, pooling=pooling), old_layer(tiny_encoder, pooling)
    docs = batch(*(["5000 words"] if pooling != "mean" else []))
    words = see_words(docs)
    found, wanted = model.predict(docs), old.predict(encoder_inputs(old, words))
    for rows, of_words, each in zip(found, wanted, words, strict=True):
        assert rows.shape == (len(each.source), 16)
        kept = rows if each.places is None else rows[each.places]
        if len(kept):
            np.testing.assert_allclose(kept, of_words, atol=2e-5)


def test_sentence_vectors_are_those_of_the_layer_on_spacy_transformers(tiny_encoder):
    shim = word_encoder(opened(tiny_encoder, transformer_config=STILL))
    old = old_layer(tiny_encoder, transformer_config=STILL)
    docs = [doc for doc in batch("5000 words") if len(see_words([doc])[0])]
    words = see_words(docs)
    _, found, _ = shim.begin_words(words, with_sentences=True)
    assert found.shape == (len(docs), 16)
    (_, wanted), _ = begin_with_sentences(old, [each.doc for each in words])
    np.testing.assert_allclose(found.numpy(), np.concatenate(wanted), atol=2e-5)
