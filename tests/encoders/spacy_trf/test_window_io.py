"""Pipelines and components keep the windows that they were made with."""

import copy

import numpy as np
import spacy
from spacy.util import registry
from thinc.api import reduce_mean

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.spacy_trf.transformer import build_tok2vec_transformer

from ..window_checks import make_doc, make_words
from .window_encoders import make_encoder, pool


def make_pipeline(folder, get_spans=None):
    """Return the encoder and a tagger that listens to it."""
    nlp = spacy.blank("xx")
    spans = get_spans or {"@span_getters": "spacy_crossner.PieceWindows.v1", "pieces": 40, "overlap": 10}
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(folder), "get_spans": spans}
    nlp.add_pipe("transformer", config={"model": {**encoder, "max_pieces": 100}})
    pooling = {"pooling": {"@layers": "reduce_mean.v1"}, "grad_factor": 1.0}
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", **pooling}
    tagger = nlp.add_pipe("tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})
    for label in ("A", "B", "C"):
        tagger.add_label(label)
    nlp.initialize()
    return nlp


def scores(nlp):
    """Return the tagger's scores of a long doc and of an odd one; all pipes before it run."""
    docs = [nlp.make_doc(" ".join(make_words(300))), nlp.make_doc("ada met"), nlp.make_doc("  ")]
    if nlp.has_pipe("transformer"):
        docs = list(nlp.get_pipe("transformer").pipe(docs))
    return np.concatenate(nlp.get_pipe("tagger").model.predict(docs))


def test_the_getter_is_found_by_name_and_saved_in_the_config(tiny_encoder):
    make = registry.get("span_getters", "spacy_crossner.PieceWindows.v1")
    assert isinstance(make(pieces=8, overlap=2), PieceWindows)
    config = make_pipeline(tiny_encoder).config["components"]["transformer"]["model"]["get_spans"]
    assert config == {"@span_getters": "spacy_crossner.PieceWindows.v1", "pieces": 40, "overlap": 10}


def test_loaded_pipelines_cut_the_same_windows(tiny_encoder, tmp_path):
    nlp = make_pipeline(tiny_encoder)
    expected = scores(nlp)
    nlp.to_disk(tmp_path)
    loaded = [spacy.load(tmp_path), spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())]
    for other in [*loaded, copy.deepcopy(nlp)]:
        assert np.array_equal(scores(other), expected)
        assert other.get_pipe("transformer").model.layers[0].shims[0].max_pieces == 100
    # A model that has run already takes the tokenizer of what it loads.
    loaded[0].from_bytes(nlp.to_bytes())
    shim = loaded[0].get_pipe("transformer").model.layers[0].shims[0]
    assert np.array_equal(scores(loaded[0]), expected)
    assert shim.tokenizer.tokenizer is shim._hfmodel.tokenizer


def test_saved_bytes_do_not_depend_on_the_last_call(tiny_encoder):
    model = make_encoder(tiny_encoder)
    before = model.to_bytes()
    model.predict([make_doc(make_words(100))])
    assert model.to_bytes() == before


def test_a_replaced_listener_cuts_the_same_windows(tiny_encoder, tmp_path):
    nlp = make_pipeline(tiny_encoder)
    expected = scores(nlp)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    np.testing.assert_allclose(scores(nlp), expected, atol=2e-6)
    encoders = [node for node in nlp.get_pipe("tagger").model.walk() if node.name == "transformer"]
    assert [node.layers[0].shims[0].max_pieces for node in encoders] == [100]
    # A second time, as where two components share one.
    twice = encoders[0].copy().copy()
    doc = nlp.make_doc(" ".join(make_words(300)))
    assert np.array_equal(pool(twice.predict([doc])), pool(encoders[0].predict([doc])))
    nlp.to_disk(tmp_path)
    np.testing.assert_array_equal(scores(spacy.load(tmp_path)), scores(nlp))


def test_an_encoder_inside_a_component(tiny_encoder):
    doc = make_doc(make_words(300))
    model = build_tok2vec_transformer(str(tiny_encoder), PieceWindows(), reduce_mean(), max_pieces=100)
    model.initialize(X=[doc])
    expected = pool(make_encoder(tiny_encoder).predict([doc]))
    np.testing.assert_allclose(model.predict([doc])[0], expected, atol=2e-6)
