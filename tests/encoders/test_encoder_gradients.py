"""Training of `spacy_crossner.Encoder.v1`: gradients as plain autograd gives them."""

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.annotations.words import see_words
from spacy_crossner.encoders.encoder import word_encoder

from .encoder_checks import STILL, assert_same_gradients, by_hand, doc_of, opened
from .window_checks import VOCAB, make_doc, make_words


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max"])
@pytest.mark.parametrize("with_sentences", [True, False])
def test_gradients_are_those_of_plain_autograd(tiny_encoder, pooling, with_sentences):
    model = opened(tiny_encoder, pooling=pooling, transformer_config=STILL)
    docs = [doc_of("Ada", "\u200b", "unheard-of", "\n", "works"), Doc(VOCAB), doc_of("\n"), doc_of("x-y", "z", "q")]
    words = see_words(docs)
    generator = torch.Generator().manual_seed(0)
    d_words = torch.randn(len(words.columns), 16, generator=generator)
    d_sentences = torch.randn(2, 16, generator=generator)
    shim = word_encoder(model)
    vectors, sentences, backprop = shim.begin_words(words, with_sentences=with_sentences)
    assert not vectors.requires_grad
    backprop(d_words, d_sentences if with_sentences else None)
    module, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    by_doc = [by_hand(module, tokenizer, doc, pooling) for doc in (docs[0], docs[3])]
    wanted = torch.stack([row for rows, _ in by_doc for row in rows])
    loss = (wanted * d_words).sum()
    if with_sentences:
        firsts = torch.stack([hidden[0] for _, hidden in by_doc])
        torch.testing.assert_close(sentences, firsts.detach(), atol=1e-5, rtol=0)
        loss = loss + (firsts * d_sentences).sum()
    loss.backward()
    torch.testing.assert_close(vectors, wanted.detach(), atol=1e-5, rtol=0)
    assert_same_gradients(shim._model, module)


def test_gradients_through_windows_and_blanks(tiny_encoder):
    # Without the letter case, as the plain encoder below.
    model = opened(tiny_encoder, pieces=20, overlap=8, letter_case=False, transformer_config=STILL)
    docs = [make_doc([*make_words(30, 1), "\n", *make_words(20, 2)]), Doc(VOCAB), make_doc(["Ada", " ", "x"])]
    shim = word_encoder(model)
    # The same rows by plain autograd: each window alone.
    words = see_words(docs)
    pieces = shim.prepare(words)
    rows, backprop = model.begin_update(docs)
    generator = np.random.default_rng(0)
    d_rows = [generator.normal(size=each.shape).astype("f") for each in rows]
    assert backprop(d_rows) is docs
    module = AutoModel.from_pretrained(tiny_encoder).eval()
    hidden = {}
    for place, n_rows, width in pieces.chunks:
        for i in range(n_rows):
            row = slice(place + i * width, place + (i + 1) * width)
            n = int(pieces.mask[row].sum())
            output = module(torch.from_numpy(pieces.ids[row][None, :n])).last_hidden_state[0]
            hidden.update({place + i * width + j: output[j] for j in range(n)})
    assert len(pieces.firsts) > 5
    vectors = [
        torch.stack([hidden[first + j] for j in range(n)]).mean(0)
        for first, n in zip(pieces.word_firsts.tolist(), pieces.word_counts.tolist(), strict=True)
    ]
    gradient = np.concatenate([d for d, doc in zip(d_rows, docs, strict=True) if len(doc)])
    is_word = [not token.is_space for doc in docs for token in doc]
    (torch.stack(vectors) * torch.from_numpy(gradient[is_word])).sum().backward()
    np.testing.assert_allclose(np.concatenate(rows)[is_word], torch.stack(vectors).detach().numpy(), atol=1e-5)
    assert_same_gradients(shim._model, module)


def test_words_without_pieces_give_no_gradient_and_no_error(tiny_encoder):
    for pooling in ("mean", "first", "last", "max"):
        model = opened(tiny_encoder, pooling=pooling)
        rows, backprop = model.begin_update([doc_of("\u200b", "\u200b")])
        assert not rows[0].any()
        backprop([np.ones((2, 16), dtype="f")])
        gradients = [p.grad for p in word_encoder(model)._model.parameters() if p.grad is not None]
        assert gradients
        assert not any(gradient.any() for gradient in gradients)


def test_a_frozen_part_and_a_pooler_without_use(tiny_encoder):
    model = opened(tiny_encoder)
    module = word_encoder(model)._model
    for parameter in module.embeddings.parameters():
        parameter.requires_grad = False
    rows, backprop = model.begin_update([doc_of("Ada", "met")])
    backprop([np.ones_like(rows[0])])
    has_gradient = {name for name, parameter in module.named_parameters() if parameter.grad is not None}
    assert has_gradient == {name for name, _ in module.named_parameters() if name.startswith("encoder.")}
