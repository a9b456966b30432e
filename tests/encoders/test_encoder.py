"""Vectors of `spacy_crossner.Encoder.v1`: those of the encoder's own call, one doc at a time. And its settings."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders.encoder import build_encoder, word_encoder
from spacy_crossner.errors import CrossnerError

from .encoder_checks import STILL, by_hand, doc_of, opened
from .small_encoders import distilbert, make_encoder, mpnet, roberta
from .window_checks import LONG_TOKEN, VOCAB, make_doc, make_words


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max"])
def test_vectors_by_a_loop(tiny_encoder, pooling):
    model = opened(tiny_encoder, pooling=pooling)
    module, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    docs = [
        doc_of("Ada", "\u200b", "unheard-of", "\n", "works"),
        Doc(VOCAB),
        doc_of("\u200b"),
        doc_of("\n"),
        doc_of("x-y", "z"),
    ]
    found = model.predict(docs)
    for doc, rows in zip(docs, found, strict=True):
        words = [token.i for token in doc if not token.is_space]
        wanted = np.zeros((len(doc), 16), dtype="f")
        if words:
            wanted[words] = torch.stack(by_hand(module, tokenizer, doc, pooling)[0]).detach().numpy()
        np.testing.assert_allclose(rows, wanted, atol=1e-5)
    assert not found[0][[1, 3]].any()
    assert not found[2].any()


def test_a_word_that_is_too_long_gives_its_first_pieces(tiny_encoder):
    model = opened(tiny_encoder)
    with pytest.warns(UserWarning, match=r"W001. 1 token.*738 piece"):
        (long, short) = model.predict([doc_of("Ada", LONG_TOKEN, "met"), doc_of(LONG_TOKEN[:62])])
    np.testing.assert_allclose(long[1], short[0], atol=1e-5)


@pytest.mark.parametrize("kind", [mpnet, distilbert, roberta])
def test_encoders_without_token_types_at_their_maximum(kind, tmp_path):
    tokenizer, module = make_encoder(kind, tmp_path)
    model = build_encoder("no_matter", pieces=1000, overlap=10)
    shim = word_encoder(model)
    shim.open(tokenizer, module)
    assert shim.maximum == 64
    doc = make_doc(["a"] * 62)
    words = see_words([doc])
    assert shim.prepare(words).chunks == [(0, 1, 64)]
    ids = tokenizer(" ".join(["a"] * 62), return_tensors="pt")["input_ids"]
    assert ids.shape == (1, 64)
    with torch.no_grad():
        wanted = module(ids).last_hidden_state[0, 1:-1]
    np.testing.assert_allclose(model.predict([doc])[0], wanted, atol=1e-5)
    assert len(shim.prepare(see_words([make_doc(["a"] * 63)])).firsts) == 2


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_half_precision(tiny_encoder, dtype):
    model = opened(tiny_encoder, transformer_config={"torch_dtype": dtype, **STILL})
    module = word_encoder(model)._model
    assert {p.dtype for p in module.parameters()} == {getattr(torch, dtype)}
    docs = [make_doc(make_words(20, 1)), Doc(VOCAB), make_doc(make_words(90, 2))]
    found, wanted = model.predict(docs), opened(tiny_encoder, precision="fp32").predict(docs)
    assert {rows.dtype for rows in found} == {np.dtype("f")}
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(wanted), atol=0.1)
    rows, backprop = model.begin_update(docs)
    backprop([np.ones_like(each) for each in rows])
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)
    again = build_encoder("no_matter").from_bytes(model.to_bytes())
    assert all(np.array_equal(*pair) for pair in zip(again.predict(docs), found, strict=True))


def test_threads_give_the_answer_of_one(tiny_encoder):
    model = opened(tiny_encoder)
    batches = [[make_doc(make_words(n, seed=10 * n + i)) for i in range(3)] for n in range(1, 25)]
    alone = [model.predict(docs) for docs in batches]
    again = opened(tiny_encoder)
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(again.predict, batches))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
    whole = model.predict([doc for docs in batches for doc in docs])
    np.testing.assert_allclose(np.concatenate(whole), np.concatenate([r for rows in alone for r in rows]), atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ({"pooling": "median"}, "C097"),
        ({"precision": "int8"}, "C096"),
        ({"train_precision": "bf8"}, "C096"),
        ({"pieces": 0}, "C025"),
        ({"overlap": 192}, "C025"),
        ({"max_pieces": 0}, "C026"),
    ],
)
def test_invalid_settings_are_refused(setting, code):
    with pytest.raises(CrossnerError, match=code):
        build_encoder("no_matter", **setting)


@pytest.mark.parametrize("make", [lambda: doc_of("Ada"), lambda: Doc(VOCAB), lambda: doc_of("\n")])
def test_an_encoder_that_is_not_loaded_says_so(make):
    model = build_encoder("no_matter")
    for run in (model.predict, model.begin_update):
        with pytest.raises(CrossnerError, match="C098"):
            run([make()])
