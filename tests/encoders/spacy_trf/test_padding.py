"""Tokenizers pad and cut on either side, or have no token for it: vectors are the same."""

import json
import shutil

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy_transformers.layers import split_trf_batch, trfs2arrays
from spacy_transformers.span_getters import configure_get_doc_spans
from thinc.api import chain, reduce_mean
from tokenizers import ByteLevelBPETokenizer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer, PreTrainedTokenizerFast

from spacy_crossner.encoders.pieces import PieceTokenizer
from spacy_crossner.encoders.sentence_vectors import begin_with_sentences
from spacy_crossner.encoders.spacy_trf.transformer import build_transformer_model

VOCAB = spacy.blank("xx").vocab
DOCS = [
    ["ada"],
    ["ada", "met", "paris", "in", "the", "lab", "of", "paris", "."],
    [],
    ["quizzaciously", "works"],
    ["x"] * 40,
]


def make_docs():
    return [Doc(VOCAB, words=words) for words in DOCS]


def edit_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf8")), **changes}), encoding="utf8")


def on_the_left(folder):
    edit_json(folder / "tokenizer_config.json", padding_side="left", truncation_side="left")


def without_padding(folder):
    # A class of its own would put a token for padding in.
    edit_json(folder / "tokenizer_config.json", pad_token=None, tokenizer_class="PreTrainedTokenizerFast")
    edit_json(folder / "special_tokens_map.json", pad_token=None)


def padded_by_its_file(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.enable_padding(direction="left", length=48)
    tokenizer.backend_tokenizer.enable_truncation(5)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


CHANGES = {"left": on_the_left, "none": without_padding, "file": padded_by_its_file}


@pytest.fixture(params=CHANGES)
def changed(request, tiny_encoder, tmp_path):
    """Give a folder of the tiny encoder whose tokenizer pads in another way."""
    shutil.copytree(tiny_encoder, tmp_path / request.param)
    CHANGES[request.param](tmp_path / request.param)
    return tmp_path / request.param


def make_encoder(folder, **settings):
    # Without dropout, which would differ between two models.
    dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = build_transformer_model(str(folder), configure_get_doc_spans(), transformer_config=dropout, **settings)
    model.initialize()
    return model


def gradients(model):
    """Return token and sentence vectors of the docs in training, and the encoder's gradients of their sum."""
    tok2vec = chain(chain(model, split_trf_batch()), trfs2arrays(reduce_mean(), 1.0))
    (tokens, sentences), backprop = begin_with_sentences(tok2vec, make_docs())
    backprop([np.ones_like(rows) for rows in tokens], [np.ones_like(rows) for rows in sentences])
    found = {name: p.grad for name, p in model.transformer.named_parameters() if p.grad is not None}
    return tokens, sentences, found


@pytest.mark.parametrize("settings", [{}, {"max_pieces": 30}], ids=["whole", "chunks"])
def test_vectors_do_not_depend_on_how_a_tokenizer_pads(tiny_encoder, changed, settings):
    plain, other = make_encoder(tiny_encoder, **settings), make_encoder(changed, **settings)
    for ours, theirs in zip(other.predict(make_docs()).doc_data, plain.predict(make_docs()).doc_data, strict=True):
        assert ours.align.lengths.tolist() == theirs.align.lengths.tolist()
        assert ours.align.data.tolist() == theirs.align.data.tolist()
        if "last_hidden_state" in theirs.model_output:
            rows = theirs.align.data.reshape(-1)
            own, expected = (data.model_output.last_hidden_state.reshape(-1, 16)[rows] for data in (ours, theirs))
            np.testing.assert_array_equal(own, expected)
    *vectors, ours = gradients(other)
    *expected, theirs = gradients(plain)
    for found, right in zip(vectors, expected, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
    assert ours.keys() == theirs.keys()
    assert len(ours) > 30
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_tokenizer_keeps_its_own_setting(tiny_encoder, tmp_path):
    shutil.copytree(tiny_encoder, tmp_path / "left")
    on_the_left(tmp_path / "left")
    model = make_encoder(tmp_path / "left")
    model.predict(make_docs())
    loaded = build_transformer_model("no-such-encoder", configure_get_doc_spans()).from_bytes(model.to_bytes())
    assert (loaded.tokenizer.padding_side, loaded.tokenizer.truncation_side) == ("left", "left")
    expected = model.predict(make_docs()).model_output.last_hidden_state
    assert np.array_equal(loaded.predict(make_docs()).model_output.last_hidden_state, expected)


@pytest.fixture
def bare(tmp_path):
    """Give the folder of an encoder whose tokenizer has no special tokens, as GPT-2's has none."""
    trainer = ByteLevelBPETokenizer()
    trainer.train_from_iterator(["ada met paris in the lab"], vocab_size=300, show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=trainer._tokenizer, model_max_length=64)
    tokenizer.save_pretrained(tmp_path / "bare")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    config = BertConfig(vocab_size=300, **sizes, attn_implementation="eager")
    BertModel(config).save_pretrained(tmp_path / "bare")
    return tmp_path / "bare"


def test_a_tokenizer_without_special_tokens(bare):
    model = make_encoder(bare)
    assert model.tokenizer.pad_token is None
    batch = model.predict(make_docs())
    assert batch.wordpieces.lengths[0] < batch.wordpieces.lengths[1]
    # Each alone, and so without padding.
    for doc, data in zip(make_docs(), batch.doc_data, strict=True):
        (alone,) = model.predict([doc]).doc_data
        if not len(doc):
            continue
        parts = [(part.model_output.last_hidden_state, part.align.data) for part in (data, alone)]
        np.testing.assert_allclose(*(hidden.reshape(-1, 16)[rows.reshape(-1)] for hidden, rows in parts), atol=1e-6)


def test_a_text_of_no_pieces_spoils_no_gradient(bare):
    pieces = PieceTokenizer(AutoTokenizer.from_pretrained(bare), 64)(["", "ada"])
    assert pieces["attention_mask"].tolist()[0] == [1] + [0] * (pieces["input_ids"].shape[1] - 1)
    assert pieces["lengths"][0] == 0
    model = BertModel.from_pretrained(bare)
    tensors = {name: torch.from_numpy(pieces[name]) for name in ("input_ids", "attention_mask")}
    model(**tensors).last_hidden_state[1].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    # Nothing at all still has a shape.
    assert PieceTokenizer(AutoTokenizer.from_pretrained(bare), 64)([""])["input_ids"].tolist() == [[0]]


def test_a_slow_tokenizer_gives_the_same_vectors(tiny_encoder):
    slow = make_encoder(tiny_encoder, tokenizer_config={"use_fast": False})
    assert isinstance(slow.tokenizer, BertTokenizer)
    fast = make_encoder(tiny_encoder)
    for ours, theirs in zip(slow.predict(make_docs()).doc_data, fast.predict(make_docs()).doc_data, strict=True):
        assert ours.align.data.tolist() == theirs.align.data.tolist()
