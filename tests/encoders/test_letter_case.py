"""The letter case of words as an input of an encoder."""

import copy

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders.encoder import build_encoder, word_encoder
from spacy_crossner.encoders.exported import ExportedShim, build_exported_encoder
from spacy_crossner.encoders.letter_case import (
    LOWER,
    MIXED,
    N_CASES,
    SINGLE,
    TITLE,
    UPPER,
    CaseEmbedding,
    case_of,
    ignores_case,
)

from .encoder_checks import batch, doc_of, opened
from .small_encoders import albert, bert, deberta, distilbert, electra, modernbert, mpnet, roberta, save_encoder

WORDS = ["Ada", "met", "GRACE", "in", "PARIS", "McKay", "A", "iPhone", "."]


@pytest.mark.parametrize(
    ("word", "case"),
    [
        *[(word, LOWER) for word in ("ada", "", " ", ".", "12,000", "3rd", "naïve", "東京", "ß", "a")],
        *[(word, TITLE) for word in ("Ada", "Émile", "Москва", "O'neill", "'Tis")],
        *[(word, UPPER) for word in ("NASA", "U.S.", "C3PO", "ÅÄ", "МГУ")],
        *[(word, MIXED) for word in ("iPhone", "McKay", "LaTeX", "eBay", "PhD")],
        *[(word, SINGLE) for word in ("A", "I", "C++", "3D", "É")],
    ],
)
def test_cases(word, case):
    assert case_of(word) == case
    assert case_of(" " + word) == case


def with_vectors(model):
    """Give a layer random vectors for the cases."""
    module = word_encoder(model).module
    embeddings = next(each for each in module.modules() if isinstance(each, CaseEmbedding))
    with torch.no_grad():
        embeddings.cases.weight.copy_(torch.randn(embeddings.cases.weight.shape))
    return embeddings


@pytest.mark.parametrize("kind", [albert, bert, deberta, distilbert, electra, modernbert, mpnet, roberta])
def test_vectors(kind, tmp_path):
    folder = save_encoder(kind, tmp_path)
    plain, cased = opened(folder), opened(folder, letter_case=True)
    docs = [doc_of(*WORDS), doc_of("Ada"), doc_of(*WORDS[:3])]
    before = plain.predict(docs)
    # The vectors of the cases are 0 at first.
    for found, wanted in zip(cased.predict(docs), before, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    with_vectors(cased)
    after = cased.predict(docs)
    for found, wanted in zip(after, before, strict=True):
        assert np.abs(found - wanted).max() > 1e-2
    # A doc is the same alone: padding has no case.
    np.testing.assert_allclose(cased.predict(docs[1:2])[0], after[1], atol=1e-5)


def test_vectors_by_hand(tiny_encoder):
    model = opened(tiny_encoder, letter_case=True)
    embeddings, shim = with_vectors(model), word_encoder(model)
    found = shim.tokenizer(WORDS, is_split_into_words=True, return_tensors="pt")
    of_piece = [0 if word is None else case_of(WORDS[word]) for word in found.word_ids(0)]
    assert len(set(of_piece)) == N_CASES
    vectors = embeddings.words(found["input_ids"]) + embeddings.cases(torch.tensor([of_piece]))
    with torch.no_grad():
        hidden = shim.module(inputs_embeds=vectors, attention_mask=found["attention_mask"]).last_hidden_state[0]
    word_ids = np.array([-1 if word is None else word for word in found.word_ids(0)])
    wanted = [hidden[torch.from_numpy(word_ids == i)].mean(0).numpy() for i in range(len(WORDS))]
    np.testing.assert_allclose(model.predict([doc_of(*WORDS)])[0], np.stack(wanted), atol=1e-5)


def test_a_tokenizer_that_looks_across_words(tiny_encoder, monkeypatch):
    model = opened(tiny_encoder, letter_case=True)
    pieces = word_encoder(model).word_pieces
    docs = [doc_of(*WORDS), Doc(doc_of("x").vocab), doc_of("Ada", "\n", "met")]
    expected = pieces(see_words(docs))
    monkeypatch.setattr(pieces, "is_wordwise", False)
    found = pieces(see_words(docs))
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.counts, expected.counts)
    assert found.ids.max() > pieces.case_step


def test_training_changes_the_vectors_of_the_cases_that_occur(tiny_encoder):
    model = opened(tiny_encoder, letter_case=True)
    words, backprop = model([doc_of("Ada", "met", "NASA")], True)
    # Not ones: the last layer is a normalization, whose output has a fixed sum.
    backprop([np.random.default_rng(0).normal(size=rows.shape).astype(np.float32) for rows in words])
    (embeddings,) = [each for each in word_encoder(model).module.modules() if isinstance(each, CaseEmbedding)]
    moved = embeddings.cases.weight.grad.abs().sum(1) > 1e-4
    # Special tokens have the case of a word without capitals.
    assert moved.tolist() == [case in (LOWER, TITLE, UPPER) for case in range(N_CASES)]


def test_it_is_saved_and_copied(tiny_encoder):
    model = opened(tiny_encoder, letter_case=True)
    with_vectors(model)
    docs = batch("5000 words")
    wanted = model.predict(docs)
    loaded = build_encoder("no_matter", letter_case=True).from_bytes(model.to_bytes())
    for other in (loaded, copy.deepcopy(model), build_encoder("no_matter").from_bytes(model.to_bytes())):
        for found, rows in zip(other.predict(docs), wanted, strict=True):
            np.testing.assert_allclose(found, rows, atol=1e-6)


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_it_is_exported(tiny_encoder, backend):
    pytest.importorskip("onnx")
    pytest.importorskip({"onnx": "onnxruntime"}.get(backend, backend))
    model = opened(tiny_encoder, letter_case=True)
    with_vectors(model)
    layer = build_exported_encoder(backend)
    layer.shims[0] = ExportedShim.from_encoder(word_encoder(model), backend, int8=False)
    loaded = build_exported_encoder(backend).from_bytes(layer.to_bytes())
    docs = batch("5000 words")
    for exported in (layer, loaded):
        for found, rows in zip(exported.predict(docs), model.predict(docs), strict=True):
            np.testing.assert_allclose(found, rows, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "expected"), [(bert, True), (mpnet, True), (roberta, False), (modernbert, False), (deberta, False)]
)
def test_it_is_on_for_an_uncased_encoder(kind, expected, tmp_path):
    folder = save_encoder(kind, tmp_path)
    assert ignores_case(AutoTokenizer.from_pretrained(folder)) is expected
    for setting, is_on in ((None, expected), (True, True), (False, False)):
        (*found,) = word_encoder(opened(folder, letter_case=setting)).module.modules()
        assert any(isinstance(each, CaseEmbedding) for each in found) is is_on


def test_a_vocabulary_without_words_says_nothing():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0}, "[UNK]")), unk_token="[UNK]")
    assert not ignores_case(tokenizer)
