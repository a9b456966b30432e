import copy

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vectors import Vectors
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders import bilstm as bilstm_module
from spacy_crossner.encoders.bilstm import (
    Lexicon,
    build_bilstm_tok2vec,
    build_word_vectors_tok2vec,
    table_rows,
    word_vectors,
)
from spacy_crossner.errors import CrossnerError

WORDS = ["Ada", "met", "Grace", "unheard-of", "東京"]


def add_vectors(nlp, mode):
    rng = np.random.default_rng(0)
    if mode == "floret":
        data = rng.standard_normal((50, 6)).astype("float32")
        settings = {"minn": 2, "maxn": 3, "hash_count": 2, "bow": "<", "eow": ">"}
        nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, data=data, mode="floret", **settings)
    else:
        for word in WORDS[:3]:
            nlp.vocab.set_vector(word, rng.standard_normal(6).astype("float32"))
    return nlp


@pytest.fixture(params=["floret", "default"])
def nlp(request):
    return add_vectors(spacy.blank("xx"), request.param)


def test_rows_and_vectors_are_those_of_spacy(nlp):
    keys = [nlp.vocab.strings.add(word) for word in WORDS]
    vectors = word_vectors(nlp.vocab, keys)
    data = nlp.vocab.vectors.data
    for word, key, vector, rows in zip(WORDS, keys, vectors, table_rows(nlp.vocab, keys), strict=True):
        expected = nlp.vocab[word].vector if nlp.vocab[word].has_vector else np.zeros(6)
        np.testing.assert_allclose(vector, expected, atol=1e-6)
        np.testing.assert_allclose(data[rows].mean(0) if len(rows) else np.zeros(6), expected, atol=1e-6)
        assert nlp.vocab.strings[key] == word


def test_the_lexicon_follows_the_vocabulary(nlp):
    lexicon = Lexicon(tuned=False)
    key = nlp.vocab.strings.add("Ada")
    first = lexicon.look_up(nlp.vocab, [key, key])
    np.testing.assert_allclose(first[0], nlp.vocab["Ada"].vector, atol=1e-6)
    other = spacy.blank("xx")
    other.vocab.set_vector("Ada", np.ones(6, dtype="float32"))
    np.testing.assert_array_equal(lexicon.look_up(other.vocab, [key])[0], np.ones(6))
    assert copy.deepcopy(lexicon).cached == (None, {})


def test_a_look_up_is_not_disturbed_by_another_in_its_midst(nlp, monkeypatch):
    # As from another thread, with another vocabulary.
    lexicon = Lexicon(tuned=False)
    key, other_key = (nlp.vocab.strings.add(word) for word in ("Ada", "met"))
    other = spacy.blank("xx")
    other.vocab.set_vector("Ada", np.ones(6, dtype="float32"))
    expected = Lexicon(tuned=False).look_up(nlp.vocab, [key, other_key])
    lexicon.look_up(nlp.vocab, [other_key])

    def disturbed(vocab, keys):
        if vocab is nlp.vocab:
            lexicon.look_up(other.vocab, [key])
        return word_vectors(vocab, keys)

    monkeypatch.setattr(bilstm_module, "word_vectors", disturbed)
    found = lexicon.look_up(nlp.vocab, [key, other_key])
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_an_encoded_doc_does_not_depend_on_its_batch(nlp):
    fix_random_seed(0)
    model = build_bilstm_tok2vec(hidden=4, character_filters=3)
    docs = [Doc(nlp.vocab, words=WORDS[:n]) for n in (3, 0, 5, 1)]
    model.initialize(X=docs)
    together = model.predict(docs)
    assert [rows.shape for rows in together] == [(3, 8), (0, 8), (5, 8), (1, 8)]
    for doc, rows in zip(docs, together, strict=True):
        np.testing.assert_allclose(model.predict([doc])[0], rows, atol=1e-6)
    np.testing.assert_allclose(together[3][0], model.predict([Doc(nlp.vocab, words=["Ada"])])[0][0], atol=1e-6)
    assert [rows.shape for rows in model.predict([Doc(nlp.vocab)])] == [(0, 8)]


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("filters", [0, 3])
def test_without_a_bilstm_each_word_stands_for_itself(nlp, tuned, filters):
    fix_random_seed(0)
    model = build_word_vectors_tok2vec(tuned=tuned, character_filters=filters)
    docs = [Doc(nlp.vocab, words=WORDS), Doc(nlp.vocab), Doc(nlp.vocab, words=["Ada"])]
    model.initialize(X=docs)
    assert model.get_dim("nO") == 6 + filters
    found = model.predict(docs)
    assert [rows.shape for rows in found] == [(5, 6 + filters), (0, 6 + filters), (1, 6 + filters)]
    keys = [nlp.vocab.strings.add(word) for word in WORDS]
    np.testing.assert_allclose(found[0][:, :6], word_vectors(nlp.vocab, keys), atol=1e-6)
    np.testing.assert_allclose(found[2][0], found[0][0], atol=1e-6)
    loaded = build_word_vectors_tok2vec(tuned=tuned, character_filters=filters).from_bytes(model.to_bytes())
    np.testing.assert_array_equal(loaded.predict(docs)[0], found[0])


@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("filters", [0, 3])
def test_vectors_may_be_those_of_lower_case_words(tuned, filters):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, shape=(2, 6), attr="LOWER")
    nlp.vocab.vectors.add("ada", vector=np.arange(6, dtype="float32"))
    docs = [Doc(nlp.vocab, words=["Ada", "ADA", "met", "ada", "Ada"])]
    model = build_word_vectors_tok2vec(tuned=tuned, character_filters=filters)
    model.initialize(X=docs)
    (found,) = model.predict(docs)
    for row, is_known in zip(found, (True, True, False, True, True), strict=True):
        np.testing.assert_array_equal(row[:6], np.arange(6) if is_known else np.zeros(6))
    # The characters are the word's own.
    assert len(np.unique(found[[0, 1, 3], 6:], axis=0)) == (3 if filters else 1)
    np.testing.assert_array_equal(found[0], found[4])


@pytest.mark.parametrize("settings", [{}, {"tuned": True}, {"character_filters": 4}])
def test_it_learns_under_a_head_and_comes_back_from_disk(nlp, settings, annotated_docs, tmp_path):
    fix_random_seed(0)
    tok2vec = {"@architectures": "spacy_crossner.BiLSTM.v1", "hidden": 24, "dropout": 0.0, **settings}
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": tok2vec}})
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    module = nlp.get_pipe("ner").model.get_ref("tok2vec").shims[0]._model
    before = {name: value.clone() for name, value in module.state_dict().items()}
    first = nlp.update(examples)["ner"]
    for _ in range(40):
        losses = nlp.update(examples, sgd=optimizer)
    assert losses["ner"] < first / 2
    assert all(not torch.equal(before[name], value) for name, value in module.state_dict().items())
    # Vectors that are not tuned are no weights.
    assert ("table.weight" in before) == bool(settings.get("tuned"))
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    found, again = (
        [[(ent.text, ent.label_, ent._.score) for ent in doc.ents] for doc in pipeline.pipe([doc.text for doc in docs])]
        for pipeline in (nlp, loaded)
    )
    assert any(found)
    assert found == again
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".pkl", ".pt")]


def test_many_docs_share_it_through_listeners(nlp, annotated_docs):
    fix_random_seed(0)
    model = {"@architectures": "spacy_crossner.BiLSTM.v1", "hidden": 16, "dropout": 0.0}
    nlp.add_pipe("tok2vec", config={"model": model})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": 32}
    for name in ("first", "second"):
        nlp.add_pipe("crf_ner", name=name, config={"model": {"tok2vec": listener}})
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in annotated_docs(nlp)]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    losses = [nlp.update(examples, sgd=optimizer, losses={}) for _ in range(40)]
    assert losses[-1]["first"] < losses[0]["first"] / 2
    assert losses[-1]["second"] < losses[0]["second"] / 2


def test_without_any_input_it_says_what_to_do(annotated_docs):
    nlp = spacy.blank("xx")
    nlp.add_pipe("crf_ner", config={"model": {"tok2vec": {"@architectures": "spacy_crossner.BiLSTM.v1"}}})
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in annotated_docs(nlp)]
    with pytest.raises(CrossnerError, match="C030"):
        nlp.initialize(lambda: examples)


def test_before_it_is_initialized_it_says_so():
    nlp = spacy.blank("xx")
    with pytest.raises(CrossnerError, match="C031"):
        build_bilstm_tok2vec().predict([nlp.make_doc("a word")])
