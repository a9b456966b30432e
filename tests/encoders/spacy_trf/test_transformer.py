import shutil
import sys

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.span_getters import configure_strided_spans
from thinc.api import fix_random_seed
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.core.bridge import get_module
from spacy_crossner.encoders.folders import find_encoder
from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.spacy_trf.transformer import build_transformer_model
from spacy_crossner.errors import CrossnerError

SPANS = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 128, "stride": 96}


def make_encoder(name):
    return build_transformer_model(str(name), configure_strided_spans(128, 96), {"use_fast": True}, {})


@pytest.fixture
def package(tiny_encoder, tmp_path, monkeypatch):
    """Put a package `carrier` with the encoder in its folder `model` on the path."""
    shutil.copytree(tiny_encoder, tmp_path / "carrier" / "model")
    (tmp_path / "carrier" / "__init__.py").write_text("", encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "carrier", raising=False)
    return tmp_path / "carrier"


def test_find_encoder_takes_a_folder_as_it_is(tiny_encoder):
    assert find_encoder(str(tiny_encoder)) == str(tiny_encoder)


def test_find_encoder_looks_into_packages(package):
    assert find_encoder("carrier/model") == str(package / "model")
    # Not imported: a package may be heavy.
    assert "carrier" not in sys.modules


@pytest.mark.parametrize(
    "name",
    ["bert-base-cased", "no-such-owner/some-model", "carrier", "carrier/other", "no_such_package/model", "json/model"],
)
def test_find_encoder_leaves_other_names_to_the_hub(name, package, monkeypatch):
    monkeypatch.chdir(package)
    assert find_encoder(name) == name


@pytest.mark.parametrize("named", ["folder", "package"])
def test_pretrained_weights_are_loaded(named, tiny_encoder, package):
    name = str(tiny_encoder) if named == "folder" else "carrier/model"
    model = make_encoder(name)
    model.initialize()
    assert model.get_dim("nO") == 16
    # The name in the config stays: a folder inside site-packages would not hold on another machine.
    assert model.attrs["name"] == name
    expected = AutoModel.from_pretrained(tiny_encoder).state_dict()
    found = model.transformer.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


@pytest.mark.parametrize("name", ["no-such-encoder", "no-such-owner/no-such-encoder", "no_such_package/model"])
def test_unknown_encoder_is_named(name):
    model = make_encoder(name)
    with pytest.raises(CrossnerError, match="C005") as caught:
        model.initialize()
    assert f"'{name}'" in str(caught.value)
    assert model.attrs["name"] == name


def plain_gradients(folder, head, docs, tags):
    """Return the loss and the encoder's gradients by torch alone: mean of word pieces, then the head."""
    tokenizer, encoder = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    encoder.eval()
    pieces = tokenizer([[t.text for t in doc] for doc in docs], is_split_into_words=True, padding=True)
    hidden = encoder(torch.tensor(pieces["input_ids"]), torch.tensor(pieces["attention_mask"])).last_hidden_state
    vectors = []
    for i, doc in enumerate(docs):
        words = np.array([-1 if word is None else word for word in pieces.word_ids(i)])
        vectors += [hidden[i, np.flatnonzero(words == word)].mean(dim=0) for word in range(len(doc))]
    mask = torch.zeros(tags.shape, dtype=torch.bool)
    for i, doc in enumerate(docs):
        mask[i, : len(doc)] = True
    loss = head.nll(head(torch.stack(vectors), mask), tags)
    loss.backward()
    return loss.item(), {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}


def test_gradients_reach_the_encoder_through_a_listener(tiny_encoder, annotated_docs):
    nlp = spacy.blank("xx")
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder), "get_spans": SPANS}
    # Without dropout, which would differ between the two.
    encoder["transformer_config"] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    nlp.add_pipe("transformer", config={"model": encoder})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": "reduce_mean.v1"}}
    model = {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": {**listener, "grad_factor": 1.0}}
    ner = nlp.add_pipe("crf_ner", config={"model": model})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)[:6]]
    examples.insert(2, Example(nlp.make_doc(""), nlp.make_doc("")))
    fix_random_seed(0)
    nlp.initialize(lambda: examples)

    losses = nlp.update(examples, sgd=False)
    docs = [example.predicted for example in examples if len(example)]
    tags = ner.gold_tags(examples, ner.make_rows([example.predicted for example in examples]))
    loss, expected = plain_gradients(tiny_encoder, get_module(ner.model), docs, tags)
    assert losses["crf_ner"] == pytest.approx(loss, rel=1e-5)
    found = {name: p.grad for name, p in nlp.get_pipe("transformer").model.transformer.named_parameters()}
    assert len(expected) > 30
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: name + text)


@pytest.mark.parametrize("lengths", [[3, 7, 1], [0, 4, 0, 9, 2, 0]])
@pytest.mark.parametrize("is_train", [True, False])
def test_docs_of_one_window_are_split_as_spacy_transformers_does(tiny_encoder, lengths, is_train):
    model = build_transformer_model(str(tiny_encoder), PieceWindows())
    model.initialize()
    vocab = spacy.blank("xx").vocab
    docs = [Doc(vocab, words=["Ada", "met", "Grace", "in", "Paris", ",", "at", "last", "!"][:n]) for n in lengths]
    batch, _ = model(docs, is_train)
    ours, theirs = batch.cached_doc_data, batch.split_by_doc()
    assert len(ours) == len(theirs) == len(docs)
    for one, other in zip(ours, theirs, strict=True):
        assert one.wordpieces.strings == other.wordpieces.strings
        assert (one.wordpieces.input_ids == other.wordpieces.input_ids).all()
        assert one.model_output.keys() == other.model_output.keys()
        assert all((one.model_output[name] == value).all() for name, value in other.model_output.items())
        assert one.align.lengths.tolist() == other.align.lengths.tolist()
        assert one.align.data.tolist() == other.align.data.tolist()


def test_docs_of_several_windows_are_left_to_spacy_transformers(tiny_encoder):
    model = build_transformer_model(str(tiny_encoder), PieceWindows(pieces=8, overlap=2))
    model.initialize()
    batch, _ = model([Doc(spacy.blank("xx").vocab, words=["Ada"] * 30)], False)
    assert len(batch.spans[0]) > 1
    assert batch.cached_doc_data is None
