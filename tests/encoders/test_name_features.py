"""`spacy_crossner.NameFeatures.v1`: its vectors and gradients by hand, dropped mentions, and invalid settings."""

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from thinc.api import Adam, Model
from transformers import AutoModel, AutoTokenizer

from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.encoding import begin_words, predict_words
from spacy_crossner.encoders.encoder import build_encoder, word_encoder
from spacy_crossner.encoders.name_features import build_name_features, name_shim
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.optimizers import HeadAdamW

from .encoder_checks import STILL, assert_same_gradients, batch, by_hand, doc_of, opened
from .window_checks import VOCAB

# "York" has two types.
LIST = "New York\tplace\nYork\tperson\nYork\tplace\nCIFAR - 10\tdata\nAda\tperson\nNew York Times\tpaper\n"
TYPES = ["data", "paper", "person", "place"]
CPU = torch.device("cpu")


def docs_with_names():
    return [
        doc_of("Ada", "met", "New", "\n", "York", ",", "York", "on", "CIFAR-10"),
        Doc(VOCAB),
        doc_of("\n"),
        doc_of("nobody", "came"),
        # A mention does not begin in one doc and end in the next.
        doc_of("New"),
        doc_of("York", "new", "york", "New", "York", "Times"),
    ]


# Start, end (exclusive) and types of the mentions in the words of each doc.
MENTIONS = [
    [(0, 1, ["person"]), (2, 4, ["place"]), (5, 6, ["person", "place"]), (7, 8, ["data"])],
    [],
    [],
    [],
    [],
    [(0, 1, ["person", "place"]), (3, 6, ["paper"])],
]


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_text(LIST, encoding="utf8")
    return str(path)


def with_names(tok2vec, names, drop=0.0):
    model = build_name_features(tok2vec, names, drop)
    model.initialize()
    return model


def with_weights(model):
    """Give a layer random weights; return its torch module."""
    module = name_shim(model)._model
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


def features_by_hand(module, vectors, mentions):
    """Return the vectors of the words of a doc with their features, by a slow loop."""
    rows = list(vectors)
    for start, end, types in mentions:
        for word in range(start, end):
            features = [2 * TYPES.index(kind) + (word > start) for kind in types]
            total = sum(module.table[feature] for feature in features)
            gate = torch.sigmoid((vectors[word] * module.gate).sum() + module.bias)
            rows[word] = vectors[word] + len(total) ** 0.5 * gate * total
    return rows


def test_at_first_the_vectors_are_those_of_the_encoder(tiny_encoder, names):
    encoder = opened(tiny_encoder, transformer_config=STILL)
    state = torch.get_rng_state()
    model = with_names(encoder, names)
    # Nor are random numbers drawn, so that all other layers begin as without names.
    assert torch.equal(torch.get_rng_state(), state)
    plain = opened(tiny_encoder, transformer_config=STILL)
    docs = [*docs_with_names(), *batch()]
    for found, wanted in zip(model.predict(docs), plain.predict(docs), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for found, wanted in zip(model.begin_update(docs)[0], plain.begin_update(docs)[0], strict=True):
        np.testing.assert_array_equal(found, wanted)
    words = see_words(docs)
    assert torch.equal(predict_words(model, words, CPU), predict_words(plain, words, CPU))
    assert torch.equal(begin_words(model, words, CPU).words, begin_words(plain, words, CPU).words)
    assert model.get_dim("nO") == 16


def test_vectors_by_hand(tiny_encoder, names):
    model = with_names(opened(tiny_encoder, transformer_config=STILL), names)
    module = with_weights(model)
    docs = docs_with_names()
    is_word = np.array([not token.is_space for doc in docs for token in doc])
    below = np.concatenate(model.layers[0].predict(docs))
    start, wanted = 0, []
    for words, mentions in zip(see_words(docs), MENTIONS, strict=True):
        wanted += features_by_hand(module, torch.from_numpy(below[is_word][start : start + len(words)]), mentions)
        start += len(words)
    wanted = torch.stack(wanted).detach().numpy()
    assert np.abs(wanted - below[is_word]).max() > 1
    for rows in (model.predict(docs), model.begin_update(docs)[0]):
        assert [row.shape for row in rows] == [(len(doc), 16) for doc in docs]
        flat = np.concatenate(rows)
        np.testing.assert_allclose(flat[is_word], wanted, atol=1e-5)
        assert not flat[~is_word].any()
    words = see_words(docs)
    np.testing.assert_allclose(predict_words(model, words, CPU).numpy(), wanted, atol=1e-5)
    np.testing.assert_allclose(begin_words(model, words, CPU).words.numpy(), wanted, atol=1e-5)
    # A doc is the same alone.
    np.testing.assert_allclose(model.predict(docs[5:])[0], flat[-6:], atol=1e-5)


@pytest.mark.parametrize("way", ["layer", "words", "words and sentences"])
def test_gradients_are_those_of_plain_autograd(tiny_encoder, names, way):
    model = with_names(opened(tiny_encoder, transformer_config=STILL), names)
    module = with_weights(model)
    docs = docs_with_names()
    words = see_words(docs)
    generator = torch.Generator().manual_seed(1)
    d_words = torch.randn(len(words.columns), 16, generator=generator)
    d_sentences = torch.randn(4, 16, generator=generator)
    if way == "layer":
        rows, backprop = model.begin_update(docs)
        gradient = torch.zeros(sum(map(len, docs)), 16)
        gradient[torch.tensor([not token.is_space for doc in docs for token in doc])] = d_words
        assert backprop([each.numpy() for each in gradient.split([len(row) for row in rows])]) is docs
    else:
        encoding = begin_words(model, words, CPU, with_sentences=way == "words and sentences")
        assert not encoding.words.requires_grad
        encoding.backprop(d_words, d_sentences if way == "words and sentences" else None)
    encoder, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    other = with_weights(with_names(opened(tiny_encoder), names))
    wanted, firsts = [], []
    for doc, of_words, mentions in zip(docs, words, MENTIONS, strict=True):
        if len(of_words):
            rows, hidden = by_hand(encoder, tokenizer, doc, "mean")
            wanted += features_by_hand(other, rows, mentions)
            firsts.append(hidden[0])
    loss = (torch.stack(wanted) * d_words).sum()
    if way == "words and sentences":
        loss = loss + (torch.stack(firsts) * d_sentences).sum()
    loss.backward()
    assert_same_gradients(word_encoder(model.layers[0])._model, encoder)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, dict(other.named_parameters())[name].grad, atol=1e-4, rtol=1e-4)
        assert parameter.grad.any()


def test_gradients_by_finite_differences(names):
    docs = [doc for doc in docs_with_names() if len(doc)]
    generator = np.random.default_rng(0)
    vectors = [generator.normal(size=(len(doc), 8)).astype("f") for doc in docs]
    d_rows = [generator.normal(size=(len(doc), 8)).astype("f") for doc in docs]
    fixed = Model("fixed", lambda model, X, is_train: (vectors, lambda d: d), dims={"nO": 8})
    model = with_names(fixed, names)
    module = with_weights(model).double()
    vectors[:], d_rows[:] = ([each.astype("d") for each in arrays] for arrays in (vectors, d_rows))

    def loss():
        return sum((row * d_row).sum() for row, d_row in zip(model.predict(docs), d_rows, strict=True))

    d_vectors = model.begin_update(docs)[1](d_rows)
    step, marked = 1e-5, (0, 4, 3)
    places = [(module.table, (4, 2)), (module.table, (7, 0)), (module.gate, (5,)), (module.bias, (0,))]
    for parameter, place in places:
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * step
                losses.append(loss())
                parameter[place] -= sign * step
        assert parameter.grad[place].item() == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-4)
    doc, *place = marked
    losses = []
    for sign in (1, -1):
        vectors[doc][tuple(place)] += sign * step
        losses.append(loss())
        vectors[doc][tuple(place)] -= sign * step
    assert d_vectors[doc][tuple(place)] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=1e-4)


def test_whole_mentions_are_dropped_in_training_only(tiny_encoder, names):
    model = with_names(opened(tiny_encoder, transformer_config=STILL), names, drop=0.4)
    with_weights(model)
    docs = [doc_of(*["New", "York", "Times", "and", "New", "York", "and", "Ada", "met", "York"])]
    mentions = [(0, 3), (4, 6), (7, 8), (9, 10)]
    below, all_features = model.layers[0].predict(docs)[0], model.predict(docs)[0]
    torch.manual_seed(0)
    kept = []
    for _ in range(200):
        state = torch.get_rng_state()
        rows = model.begin_update(docs)[0][0]
        kept.append([not np.allclose(rows[start], below[start], atol=1e-5) for start, _ in mentions])
        for is_kept, (start, end) in zip(kept[-1], mentions, strict=True):
            wanted = all_features if is_kept else below
            np.testing.assert_allclose(rows[start:end], wanted[start:end], atol=1e-5)
        np.testing.assert_array_equal(model.predict(docs)[0], all_features)
    # Each by itself, and again the same with the same random state.
    np.testing.assert_allclose(np.mean(kept, axis=0), 0.6, atol=0.1)
    assert len({tuple(each) for each in kept}) == 16
    torch.set_rng_state(state)
    np.testing.assert_array_equal(model.begin_update(docs)[0][0], rows)


def test_the_weights_have_the_rate_of_heads(tiny_encoder, names):
    model = with_names(opened(tiny_encoder), names)
    shim, encoder = name_shim(model), word_encoder(model.layers[0])
    optimizer = HeadAdamW(encoder_rate=1e-5, head_rate=0.25)
    docs = docs_with_names()
    before = {name: p.detach().clone() for name, p in encoder._model.named_parameters()}
    rows, backprop = model.begin_update(docs)
    backprop([np.ones_like(row) for row in rows])
    model.finish_update(optimizer)
    optimizer.step_schedules()
    assert optimizer.heads == {(shim.id, name) for name in ("table", "gate", "bias")}
    table = shim._model.table.detach()
    # The types place and person occur as the first word of a mention, paper as a further one, too.
    np.testing.assert_allclose(table[[2, 3, 4, 6, 7]], -0.25, rtol=1e-3)
    assert not table[5].any()
    moved = [(p - before[name]).abs().max().item() for name, p in encoder._model.named_parameters()]
    assert 0 < max(moved) < 2e-5


def test_a_copy_has_its_own_weights_and_id(tiny_encoder, names):
    model = with_names(opened(tiny_encoder), names)
    other = model.copy()
    assert name_shim(other).id != name_shim(model).id
    docs = docs_with_names()
    wanted = model.predict(docs)[0]
    rows, backprop = other.begin_update(docs)
    backprop([np.ones_like(row) for row in rows])
    other.finish_update(Adam(0.1))
    np.testing.assert_array_equal(model.predict(docs)[0], wanted)
    assert not name_shim(model)._model.table.any()
    assert name_shim(other)._model.table.any()


def test_no_lists_are_no_layer(tiny_encoder):
    encoder = build_encoder(str(tiny_encoder))
    assert build_name_features(encoder, None) is encoder
    assert word_encoder(encoder) is not None


def test_an_encoder_with_names_is_the_layer_around_it(tiny_encoder, names):
    model = build_encoder(str(tiny_encoder), names=[names], names_drop=0.25)
    assert name_shim(model).drop == 0.25
    assert word_encoder(model.layers[0]) is not None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": []}, r"C617. The name features have no list: names is \[\]"),
        ({"names": ""}, "C617"),
        ({"names": ["a.tsv", ""]}, "C617"),
        ({"drop": 1.0}, r"C618. .*drop = 1.0. Set it in \[0, 1\)"),
        ({"drop": -0.1}, "C618"),
        ({"drop": float("nan")}, "C618"),
    ],
)
def test_invalid_settings(tiny_encoder, settings, message):
    with pytest.raises(CrossnerError, match=message):
        build_name_features(build_encoder(str(tiny_encoder)), **{"names": "a.tsv", **settings})


def test_lists_that_cannot_be_read(tiny_encoder, tmp_path):
    path = tmp_path / "list.tsv"
    model = build_name_features(opened(tiny_encoder), str(path))
    with pytest.raises(CrossnerError, match=r"list\.tsv"):
        model.initialize()
    path.write_text("Ada\n", encoding="utf8")
    with pytest.raises(CrossnerError, match="C601"):
        model.initialize()
    with pytest.raises(CrossnerError, match="C619"):
        model.predict([doc_of("Ada")])
    assert not name_shim(model.from_bytes(model.to_bytes())).is_open
    path.write_text("Ada\tperson\n", encoding="utf8")
    model.initialize()
    path.unlink()
    # It has its names, and keeps them.
    model.initialize()
    assert name_shim(model).names.types == ["person"]
