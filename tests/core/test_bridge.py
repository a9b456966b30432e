import copy

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from thinc.api import Linear, Model, chain, fix_random_seed, with_array

from spacy_crossner.core.bridge import get_module, grow_module, has_module, length_mask, set_dropout, whole_docs
from spacy_crossner.core.component import SequenceNER
from spacy_crossner.methods.crf.model import build_crf_model

WIDTH = 6
LABELS = ["person", "place"]


def read_tensor():
    """Make a layer that gives the vectors in `doc.tensor` and keeps the gradient that comes back."""

    def forward(model, docs, is_train):
        def backprop(d_vectors):
            model.attrs["gradient"] = d_vectors
            return docs

        return [doc.tensor for doc in docs], backprop

    return Model("read_tensor", forward, dims={"nO": WIDTH})


def make_docs(lengths, empty_width=WIDTH):
    vocab = spacy.blank("en").vocab
    random = np.random.default_rng(0)
    docs = [Doc(vocab, words=["word"] * length) for length in lengths]
    for doc in docs:
        doc.tensor = random.normal(size=(len(doc), WIDTH if len(doc) else empty_width)).astype("float32")
    return docs


def make_tags(lengths, n_tags=5):
    """Return tags with -1 at padding, and at the first token of the last row; empty docs have no row."""
    lengths = [length for length in lengths if length]
    tags = torch.full((len(lengths), max(lengths)), -1)
    generator = torch.Generator().manual_seed(0)
    for row, length in zip(tags, lengths, strict=True):
        row[:length] = torch.randint(n_tags, (length,), generator=generator)
    tags[-1, 0] = -1
    return tags


def make_model(tok2vec, docs, use_crf=True):
    fix_random_seed(0)
    model = build_crf_model(tok2vec, use_crf=use_crf)
    assert not has_module(model)
    model.initialize(X=docs, Y=LABELS)
    return model


def train_step(model, docs, tags):
    """Return the loss and the head's gradients after one pass forward and backward."""
    output, backprop = model.begin_update(whole_docs(docs).with_tags(tags))
    loss = get_module(model).nll(output, tags)
    backprop(loss)
    return loss.detach(), {name: value.grad for name, value in get_module(model).named_parameters()}


@pytest.mark.parametrize("use_crf", [True, False])
@pytest.mark.parametrize("lengths", [[3, 1, 5], [4, 0, 2], [0, 0, 3, 0, 1, 0]])
def test_one_pass_through_thinc_equals_plain_autograd(lengths, use_crf):
    docs, tags = make_docs(lengths), make_tags(lengths)
    reader, linear = read_tensor(), Linear(WIDTH, WIDTH)
    model = make_model(chain(reader, with_array(linear)), docs, use_crf)
    # The same weights in torch alone.
    head = copy.deepcopy(get_module(model))
    weight, bias = (torch.tensor(linear.get_param(name), requires_grad=True) for name in "Wb")
    features = torch.tensor(np.concatenate([doc.tensor for doc in docs]), requires_grad=True)
    mask = length_mask(np.array([length for length in lengths if length]), torch.device("cpu"))
    expected = head.nll(head(features @ weight.T + bias, mask), tags)
    expected.backward()

    loss, found = train_step(model, docs, tags)
    torch.testing.assert_close(loss, expected.detach())
    for name, parameter in head.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.tensor(linear.get_grad("W")), weight.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.tensor(linear.get_grad("b")), bias.grad, rtol=1e-5, atol=1e-6)
    gradient = reader.attrs["gradient"]
    assert [len(rows) for rows in gradient] == lengths
    torch.testing.assert_close(torch.tensor(np.concatenate(gradient)), features.grad, rtol=1e-5, atol=1e-6)
    assert features.grad.abs().max() > 1e-3


@pytest.mark.parametrize("empty_width", [0, WIDTH])
@pytest.mark.parametrize("is_train", [True, False])
def test_empty_docs_have_no_row_and_do_not_move_the_others(is_train, empty_width):
    lengths = [0, 2, 0, 3, 0]
    docs = make_docs(lengths, empty_width)
    reader = read_tensor()
    model = make_model(reader, docs[1:2])
    if not is_train:
        output, alone = model.predict(docs), model.predict([docs[1], docs[3]])
        assert output.mask.tolist() == [[True, True, False], [True, True, True]]
        assert torch.equal(output.emissions, alone.emissions)
        return
    tags = make_tags(lengths)
    train_step(model, docs, tags)
    gradient = reader.attrs["gradient"]
    assert [rows.shape for rows in gradient] == [(length, WIDTH) for length in lengths]
    train_step(model, [docs[1], docs[3]], tags)
    np.testing.assert_array_equal(gradient[1], reader.attrs["gradient"][0])
    np.testing.assert_array_equal(gradient[3], reader.attrs["gradient"][1])


def test_an_inline_cnn_learns_through_the_head(annotated_docs):
    nlp = spacy.blank("en")
    fix_random_seed(0)
    ner = nlp.add_pipe("crf_ner")
    assert isinstance(ner, SequenceNER)
    docs = annotated_docs(nlp)[:4]
    ner.model.initialize(X=docs, Y=LABELS)
    tags = make_tags([len(doc) for doc in docs])
    tok2vec = ner.model.get_ref("tok2vec")
    # The gradient at the token vectors, by autograd on what the CNN gives, sent back through the CNN alone.
    vectors, backprop = tok2vec.begin_update(docs)
    head = copy.deepcopy(get_module(ner.model))
    features = torch.tensor(np.concatenate(vectors), requires_grad=True)
    head.nll(head(features, length_mask(np.array([len(doc) for doc in docs]), torch.device("cpu"))), tags).backward()
    backprop([rows.numpy() for rows in features.grad.split([len(doc) for doc in docs])])
    nodes = [(node, name) for node in tok2vec.walk() for name in node.grad_names]
    expected = [node.get_grad(name).copy() for node, name in nodes]
    assert nodes
    for node, name in nodes:
        node.set_grad(name, np.zeros_like(node.get_grad(name)))

    _, found = train_step(ner.model, docs, tags)
    for (node, name), gradient in zip(nodes, expected, strict=True):
        assert np.abs(gradient).max() > 0
        np.testing.assert_allclose(node.get_grad(name), gradient, rtol=1e-4, atol=1e-6)
    for name, parameter in head.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [[1], [2, 2], [3, 1, 4]])
def test_length_mask(lengths):
    expected = [[i < length for i in range(max(lengths))] for length in lengths]
    assert length_mask(np.array(lengths), torch.device("cpu")).tolist() == expected


def test_dropout_acts_in_training_only():
    docs, tags = make_docs([40]), make_tags([40])
    model = make_model(read_tensor(), docs)
    plain = model.predict(docs).emissions
    set_dropout(model, 0.5)
    first, second = (model.begin_update(whole_docs(docs).with_tags(tags))[0].emissions.detach() for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(model.predict(docs).emissions, plain)
    set_dropout(model, 0.0)
    assert torch.equal(model.begin_update(whole_docs(docs).with_tags(tags))[0].emissions.detach(), plain)


def test_the_module_is_made_when_width_and_labels_are_known():
    docs = make_docs([2, 3])
    model = build_crf_model(read_tensor())
    model.initialize(X=docs)
    assert not has_module(model)
    model.initialize(X=docs, Y=LABELS)
    first = get_module(model)
    assert (model.get_dim("nI"), model.get_dim("nO")) == (WIDTH, 5)
    # Initialized again: a new one, for other labels, in its place.
    model.initialize(X=docs, Y=["thing"])
    assert get_module(model) is not first
    assert [shim._model for node in model.walk() for shim in node.shims] == [get_module(model)]
    assert model.predict(docs).emissions.shape == (2, 3, model.get_dim("nO")) == (2, 3, 3)


def test_grown_module_keeps_the_scores_of_old_tags():
    docs = make_docs([2, 3])
    model = make_model(read_tensor(), docs)
    before = model.predict(docs).emissions
    grow_module(model, [*LABELS, "thing"])
    after = model.predict(docs).emissions
    assert after.shape[2] == model.get_dim("nO") == model.get_ref("head").get_dim("nO") == 7
    torch.testing.assert_close(after[:, :, :5], before)
