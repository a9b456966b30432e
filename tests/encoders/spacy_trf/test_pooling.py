"""Tokens without word pieces have the vector 0, whatever the pooling; layers above it see sentence vectors, too."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.span_getters import configure_get_doc_spans
from thinc.api import Linear, Ragged, chain, concatenate, fix_random_seed, registry, with_array

from spacy_crossner.encoders.pooling import guard_pooling
from spacy_crossner.encoders.sentence_vectors import begin_with_sentences
from spacy_crossner.encoders.spacy_trf.transformer import build_tok2vec_transformer
from spacy_crossner.errors import CrossnerError

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
VOCAB = spacy.blank("xx").vocab
WORDS = [["\n", "ada", "works", "\n\n", "\n", "quizzaciously", "\n"], [], ["ada"], ["\n"], ["it", "\n", "."]]
BY_TORCH = {
    "reduce_first.v1": lambda rows: rows[0],
    "reduce_last.v1": lambda rows: rows[-1],
    "reduce_max.v1": lambda rows: rows.max(dim=0).values,
    "reduce_mean.v1": lambda rows: rows.mean(dim=0),
    "reduce_sum.v1": lambda rows: rows.sum(dim=0),
}


def make_docs():
    return [Doc(VOCAB, words=words) for words in WORDS]


def make_tok2vec(folder, pooling="reduce_mean.v1"):
    pooling = registry.layers.get(pooling)()
    return build_tok2vec_transformer(str(folder), configure_get_doc_spans(), pooling, transformer_config=STILL)


def encoder_of(tok2vec):
    (encoder,) = [node for node in tok2vec.walk() if node.name == "transformer"]
    return encoder


def torch_vectors(encoder, docs, pool):
    """Return token vectors of docs, 0 where there are no pieces, and sentence vectors, by torch alone."""
    batch = encoder.predict(docs)
    tokens, sentences = [], []
    for doc, data in zip(docs, batch.doc_data, strict=True):
        if not len(doc):
            continue
        pieces = {"input_ids": data.wordpieces.input_ids, "attention_mask": data.wordpieces.attention_mask}
        hidden = encoder.transformer(**{name: torch.tensor(value) for name, value in pieces.items()}).last_hidden_state
        rows, place = data.align.data.reshape(-1).tolist(), 0
        for n in data.align.lengths.tolist():
            of_token = hidden.flatten(0, 1)[rows[place : place + n]]
            tokens.append(pool(of_token) if n else torch.zeros(hidden.shape[-1]))
            place += n
        sentences.append(hidden[0, 0])
    return torch.stack(tokens), torch.stack(sentences)


@pytest.mark.parametrize("pooling", BY_TORCH)
@pytest.mark.parametrize("with_sentences", [False, True])
def test_a_token_without_pieces_has_a_vector_of_zeros(tiny_encoder, pooling, with_sentences):
    tok2vec, docs = make_tok2vec(tiny_encoder, pooling), make_docs()
    tok2vec.initialize()
    encoder = encoder_of(tok2vec)
    expected, of_sentences = torch_vectors(encoder, docs, BY_TORCH[pooling])
    is_empty = torch.tensor([not word.strip() for words in WORDS for word in words])
    assert is_empty.sum() == 6
    assert not expected[is_empty].any()
    predicted = np.concatenate([rows for rows in tok2vec.predict(docs) if len(rows)])
    np.testing.assert_allclose(predicted, expected.detach(), atol=1e-5)
    assert not predicted[is_empty.numpy()].any()

    weights = torch.linspace(-1, 1, expected.numel()).reshape(expected.shape)
    loss = (expected * weights).sum() + (of_sentences.sum() if with_sentences else 0)
    gradients = torch.autograd.grad(loss, list(encoder.transformer.parameters()), allow_unused=True)
    d_tokens = tok2vec.ops.unflatten(weights.numpy(), np.array([len(words) for words in WORDS], dtype="i"))
    if with_sentences:
        (tokens, sentences), backprop = begin_with_sentences(tok2vec, docs)
        backprop(d_tokens, [np.ones_like(rows) for rows in sentences])
    else:
        tokens, backprop = tok2vec.begin_update(docs)
        backprop(d_tokens)
    np.testing.assert_allclose(np.concatenate([rows for rows in tokens if len(rows)]), expected.detach(), atol=1e-5)
    for parameter, gradient in zip(encoder.transformer.parameters(), gradients, strict=True):
        if gradient is not None and gradient.any():
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("pooling", BY_TORCH)
def test_docs_of_tokens_without_pieces_alone(tiny_encoder, pooling):
    tok2vec = make_tok2vec(tiny_encoder, pooling)
    tok2vec.initialize()
    docs = [Doc(VOCAB, words=["\n", "\n"]), Doc(VOCAB, words=["\n"])]
    assert [rows.tolist() for rows in tok2vec.predict(docs)] == [[[0.0] * 16] * 2, [[0.0] * 16]]


@pytest.mark.parametrize("pooling", ["reduce_first.v1", "reduce_max.v1"])
def test_a_pooling_of_nothing(pooling):
    layer = registry.layers.get(pooling)()
    node = make_tok2vec("no-such-encoder").layers[-1]
    node.layers[0] = layer
    guard_pooling(node)
    guard_pooling(node)
    pieces = Ragged(np.zeros((0, 3), dtype="f"), np.zeros(2, dtype="i"))
    vectors, backprop = layer(pieces, True)
    assert vectors.tolist() == [[0.0] * 3] * 2
    back = backprop(np.ones((2, 3), dtype="f"))
    assert back.dataXd.shape == (0, 3)
    assert back.lengths.tolist() == [0, 0]


@pytest.mark.parametrize("pooling", ["reduce_first.v1", "reduce_max.v1"])
def test_a_component_on_a_listener_takes_line_breaks(tiny_encoder, pooling):
    nlp = spacy.blank("xx")
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder)}
    encoder["get_spans"] = {"@span_getters": "spacy_crossner.PieceWindows.v1"}
    nlp.add_pipe("transformer", config={"model": encoder})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": pooling}}
    head = {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": {**listener, "grad_factor": 1.0}}
    nlp.add_pipe("crf_ner", name="ner", config={"model": head})
    gold = Doc(nlp.vocab, words=["Ada", "\n\n", "met"], ents=["B-person", "O", "O"])
    examples = [Example(Doc(nlp.vocab, words=["Ada", "\n\n", "met"]), gold)]
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    losses = [nlp.update(examples, sgd=optimizer)["ner"] for _ in range(12)]
    assert losses[-1] < losses[0]
    assert len(nlp("Ada\n\nmet Grace .\n")) > 4
    # What is saved has no layer more, so that older pipelines are read.
    loaded = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    docs = list(loaded.get_pipe("transformer").pipe([nlp.make_doc("Ada\n\nmet\n")]))
    ours, theirs = (each.get_pipe("ner").model.get_ref("tok2vec").predict(docs)[0] for each in (loaded, nlp))
    assert np.array_equal(ours, theirs)
    assert not ours[1].any()


def test_layers_above_the_pooling_make_tokens_and_sentences(tiny_encoder):
    docs = make_docs()
    below, linear = make_tok2vec(tiny_encoder), Linear(5, 16)
    tok2vec = chain(below, with_array(linear))
    fix_random_seed(0)
    tok2vec.initialize()
    linear.set_param("b", np.linspace(-1, 1, 5, dtype="f"))
    weight, bias = (torch.tensor(linear.get_param(name), requires_grad=True) for name in ("W", "b"))
    encoder = encoder_of(tok2vec)
    tokens, sentences = (rows @ weight.T + bias for rows in torch_vectors(encoder, docs, lambda rows: rows.mean(dim=0)))
    (found, of_docs), backprop = begin_with_sentences(tok2vec, docs)
    assert [len(rows) for rows in of_docs] == [1, 0, 1, 1, 1]
    for ours, theirs in ((found, tokens), (of_docs, sentences)):
        np.testing.assert_allclose(np.concatenate([rows for rows in ours if len(rows)]), theirs.detach(), atol=1e-5)
    weights = torch.linspace(-1, 1, tokens.numel()).reshape(tokens.shape)
    loss = (tokens * weights).sum() + 3 * sentences.sum()
    own = [weight, bias, *encoder.transformer.parameters()]
    gradients = torch.autograd.grad(loss, own, allow_unused=True)
    d_tokens = tok2vec.ops.unflatten(weights.numpy(), np.array([len(words) for words in WORDS], dtype="i"))
    backprop(d_tokens, [np.full_like(rows, 3) for rows in of_docs])
    np.testing.assert_allclose(linear.get_grad("W"), gradients[0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(linear.get_grad("b"), gradients[1], rtol=1e-3, atol=1e-5)
    for parameter, gradient in zip(own[2:], gradients[2:], strict=True):
        if gradient is not None and gradient.any():
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_a_pooling_beside_other_layers_is_an_error(tiny_encoder):
    tok2vec = concatenate(make_tok2vec(tiny_encoder), make_tok2vec(tiny_encoder))
    tok2vec.initialize()
    with pytest.raises(CrossnerError, match=r"C084.*one of several parallel branches"):
        begin_with_sentences(tok2vec, make_docs())
