"""`spacy_crossner.Encoder.v1`: vectors and gradients against the encoder itself, one window at a time."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from transformers import (
    AutoModel,
    AutoTokenizer,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    MPNetTokenizerFast,
    RobertaConfig,
    RobertaModel,
)

from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.encoding import begin_words as begin_any
from spacy_crossner.encoders.encoder import build_encoder, word_encoder
from spacy_crossner.encoders.pooling import guard_pooling
from spacy_crossner.encoders.sentence_vectors import begin_with_sentences
from spacy_crossner.errors import CrossnerError

from .small_tokenizers import STRANGE, tokenizer_of
from .test_encoder_kinds import BERTS, SPECIAL, word_pieces
from .window_checks import LONG_TOKEN, VOCAB, make_doc, make_words

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def opened(folder, **settings):
    model = build_encoder(str(folder), **settings)
    model.initialize()
    return model


def doc_of(*words, spaces=None):
    return Doc(VOCAB, words=list(words), spaces=spaces)


DOCS = {
    "empty": lambda: Doc(VOCAB),
    "one word": lambda: doc_of("Ada"),
    "blanks": lambda: doc_of("\n", " "),
    "lines": lambda: doc_of("\n", "Ada", "met", "\n\n", "  ", "Grace", "\t"),
    "strange": lambda: doc_of(*STRANGE[:24]),
    "5000 words": lambda: make_doc(make_words(5000, 3)),
    "sentences": lambda: make_doc(make_words(300, 4), set(range(0, 300, 20))),
    "short": lambda: make_doc(make_words(9, 5)),
}


def batch(*left_out):
    return [make() for name, make in DOCS.items() if name not in left_out]


def by_hand(module, tokenizer, doc, pooling):
    """Return the vectors of the words of a doc that fits, with the encoder's own call, as tensors with a graph."""
    words = [token.text for token in doc if not token.is_space]
    found = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    hidden = module(**found).last_hidden_state[0]
    of_word = np.array([-1 if word is None else word for word in found.word_ids(0)])
    rows = [hidden[torch.from_numpy(of_word == i)] for i in range(len(words))]
    pools = {
        "mean": lambda x: x.mean(0),
        "first": lambda x: x[0],
        "last": lambda x: x[-1],
        "max": lambda x: x.max(0).values,
    }
    return [pools[pooling](row) if len(row) else hidden.new_zeros(hidden.shape[1]) for row in rows], hidden


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


@pytest.mark.spacy_trf
@pytest.mark.parametrize("pooling", ["mean", "first", "last", "max"])
def test_vectors_are_those_of_the_layer_on_spacy_transformers(tiny_encoder, pooling):
    from spacy_crossner.core.encoding import encoder_inputs

    model, old = opened(tiny_encoder, pooling=pooling), old_layer(tiny_encoder, pooling)
    docs = batch(*(["5000 words"] if pooling != "mean" else []))
    words = see_words(docs)
    found, wanted = model.predict(docs), old.predict(encoder_inputs(old, words))
    for rows, of_words, each in zip(found, wanted, words, strict=True):
        assert rows.shape == (len(each.source), 16)
        kept = rows if each.places is None else rows[each.places]
        if len(kept):
            np.testing.assert_allclose(kept, of_words, atol=2e-5)


def old_layer(folder, pooling="mean", **settings):
    from thinc.api import reduce_first, reduce_last, reduce_max, reduce_mean

    from spacy_crossner.encoders.piece_windows import PieceWindows
    from spacy_crossner.encoders.spacy_trf.transformer import build_tok2vec_transformer

    layers = {"mean": reduce_mean, "first": reduce_first, "last": reduce_last, "max": reduce_max}
    old = build_tok2vec_transformer(str(folder), PieceWindows(), layers[pooling](), **settings)
    old.initialize()
    guard_pooling(old)
    return old


@pytest.mark.spacy_trf
def test_sentence_vectors_are_those_of_the_layer_on_spacy_transformers(tiny_encoder):
    shim = word_encoder(opened(tiny_encoder, transformer_config=STILL))
    old = old_layer(tiny_encoder, transformer_config=STILL)
    docs = [doc for doc in batch("5000 words") if len(see_words([doc])[0])]
    words = see_words(docs)
    _, found, _ = shim.begin_words(words, with_sentences=True)
    assert found.shape == (len(docs), 16)
    (_, wanted), _ = begin_with_sentences(old, [each.doc for each in words])
    np.testing.assert_allclose(found.numpy(), np.concatenate(wanted), atol=2e-5)


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


def assert_same_gradients(found, wanted, atol=2e-5):
    wanted = dict(wanted.named_parameters())
    moved = 0
    for name, parameter in found.named_parameters():
        gradient = wanted[name].grad
        assert (parameter.grad is None) == (gradient is None), name
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient, atol=atol, rtol=1e-4)
            moved += bool(gradient.any())
    assert moved > 20


def test_gradients_through_windows_and_blanks(tiny_encoder):
    model = opened(tiny_encoder, pieces=20, overlap=8, transformer_config=STILL)
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


def test_a_word_that_is_too_long_gives_its_first_pieces(tiny_encoder):
    model = opened(tiny_encoder)
    with pytest.warns(UserWarning, match=r"W001. 1 token.*738 piece"):
        (long, short) = model.predict([doc_of("Ada", LONG_TOKEN, "met"), doc_of(LONG_TOKEN[:62])])
    np.testing.assert_allclose(long[1], short[0], atol=1e-5)


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


def mpnet(folder):
    return word_pieces(MPNetTokenizerFast, folder, [*SPECIAL, "[UNK]"]), MPNetModel(
        MPNetConfig(**SIZES, max_position_embeddings=66)
    )


def distilbert(folder):
    config = DistilBertConfig(dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=64)
    from transformers import BertTokenizerFast

    return word_pieces(BertTokenizerFast, folder, BERTS), DistilBertModel(config)


def roberta(folder):
    return tokenizer_of("roberta"), RobertaModel(RobertaConfig(**SIZES, vocab_size=300, max_position_embeddings=66))


@pytest.mark.parametrize("kind", [mpnet, distilbert, roberta])
def test_encoders_without_token_types_at_their_maximum(kind, tmp_path):
    torch.manual_seed(0)
    tokenizer, module = kind(tmp_path)
    module.eval()
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


def test_any_layer_and_ours_give_one_tensor(tiny_encoder):
    model = opened(tiny_encoder, transformer_config=STILL)
    words = see_words(batch()[:4])
    encoding = begin_any(model, words, torch.device("cpu"), with_sentences=True)
    # Of the docs with words.
    assert encoding.sentences.shape == (2, 16)
    wanted = np.concatenate(
        [
            rows[each.places] if each.places is not None else rows
            for rows, each in zip(model.predict(batch()[:4]), words, strict=True)
        ]
    )
    np.testing.assert_allclose(encoding.words, wanted, atol=1e-6)
