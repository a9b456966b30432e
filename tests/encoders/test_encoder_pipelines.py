"""`spacy_crossner.Encoder.v1` in pipelines: saved, copied, sourced, rehearsed, shared with listeners, in processes."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import Adam, fix_random_seed

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders.encoder import build_encoder, word_encoder

LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 16}
TEXTS = ["Ada Lovelace wrote notes in London .", "", "\n", "Grace\n\nHopper found  a moth", "Paris and Rome " * 60]


def encoder_config(folder):
    return {"@architectures": "spacy_crossner.Encoder.v1", "name": str(folder)}


def examples_of(nlp, docs):
    return [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]


def train(nlp, docs, updates):
    fix_random_seed(0)
    examples = examples_of(nlp, docs)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = []
    for _ in range(updates):
        losses.append(nlp.update(examples, sgd=optimizer)["ner"])
    return losses


@pytest.fixture(scope="module")
def alone(tiny_encoder, annotated_docs):
    """Return a pipeline whose component holds the encoder, and its docs."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": encoder_config(tiny_encoder)}})
    docs = annotated_docs(nlp)
    losses = train(nlp, docs, 8)
    assert losses[-1] < losses[0] / 2
    return nlp, docs


@pytest.fixture(scope="module")
def shared(tiny_encoder, annotated_docs):
    """Return a pipeline whose component listens to an encoder in spaCy's `tok2vec`."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("tok2vec", config={"model": encoder_config(tiny_encoder)})
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": LISTENER}})
    before = build_encoder(str(tiny_encoder))
    before.initialize()
    losses = train(nlp, annotated_docs(nlp), 25)
    assert losses[-1] < losses[0] / 2
    # The encoder has learned.
    docs = [nlp.make_doc(TEXTS[0])]
    assert not np.allclose(before.predict(docs)[0], nlp.get_pipe("tok2vec").model.predict(docs)[0], atol=1e-3)
    return nlp


def answers(nlp):
    docs = list(nlp.pipe(TEXTS))
    return [[(ent.text, ent.label_, round(ent._.score, 6)) for ent in doc.ents] for doc in docs]


def encoder_in(nlp):
    return word_encoder(nlp.get_pipe("ner").model.get_ref("tok2vec"))


def by_disk(nlp, folder):
    nlp.to_disk(folder)
    return spacy.load(folder)


def by_bytes(nlp, folder):
    return spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())


def by_pickle(nlp, folder):
    return pickle.loads(pickle.dumps(nlp))


def by_deepcopy(nlp, folder):
    return copy.deepcopy(nlp)


def by_source(nlp, folder):
    other = spacy.blank("xx", vocab=nlp.vocab)
    other.add_pipe("ner", source=nlp)
    return other


@pytest.mark.parametrize("way", [by_disk, by_bytes, by_pickle, by_deepcopy, by_source])
def test_a_component_with_its_encoder_is_whole(alone, tmp_path, way):
    nlp, _ = alone
    wanted = answers(nlp)
    assert sum(map(len, wanted)) > 3
    other = way(nlp, tmp_path)
    assert answers(other) == wanted
    # Nor do docs hold vectors.
    for doc in other.pipe(TEXTS):
        assert not len(doc.tensor)
        assert not doc.has_extension("trf_data") or doc._.trf_data is None


# Not pickle: after an update, spaCy's listener holds a function that cannot be pickled.
@pytest.mark.parametrize("way", [by_disk, by_bytes, by_deepcopy])
def test_a_shared_encoder_is_saved(shared, tmp_path, way):
    wanted = answers(shared)
    assert sum(map(len, wanted)) > 3
    assert answers(way(shared, tmp_path)) == wanted


def test_an_encoder_is_replaced_into_the_component_that_listened(shared, tmp_path):
    nlp = by_bytes(shared, None)
    wanted = answers(nlp)
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    assert encoder_in(nlp) is not nlp.get_pipe("tok2vec").model.shims[0]
    assert encoder_in(nlp).id != nlp.get_pipe("tok2vec").model.shims[0].id
    nlp.remove_pipe("tok2vec")
    nlp = by_disk(nlp, tmp_path)
    found = answers(nlp)
    assert [[ent[:2] for ent in of_doc] for of_doc in found] == [[ent[:2] for ent in of_doc] for of_doc in wanted]
    np.testing.assert_allclose(
        [ent[2] for of_doc in found for ent in of_doc], [ent[2] for of_doc in wanted for ent in of_doc], atol=1e-5
    )


def test_a_copy_of_the_layer_has_its_own_weights_and_id(tiny_encoder):
    model = build_encoder(str(tiny_encoder))
    # Before it is opened, too.
    early = model.copy()
    model.initialize()
    late, deep = model.copy(), copy.deepcopy(model)
    docs = [spacy.blank("xx").make_doc(TEXTS[0])]
    wanted = model.predict(docs)[0]
    early.initialize()
    ids = {each.shims[0].id for each in (model, early, late)}
    assert len(ids) == 3
    for other in (early, late, deep):
        assert np.array_equal(other.predict(docs)[0], wanted)
        rows, backprop = other.begin_update(docs)
        backprop([np.ones_like(rows[0])])
        other.finish_update(Adam(0.1))
        assert not np.allclose(other.predict(docs)[0], wanted, atol=1e-2)
    assert np.array_equal(model.predict(docs)[0], wanted)
    assert (early.get_dim("nO"), late.get_dim("nO")) == (16, 16)


def test_rehearsal_moves_the_encoder(alone):
    nlp = by_bytes(alone[0], None)
    optimizer = nlp.resume_training()
    names = dict(encoder_in(nlp)._model.named_parameters())
    docs = alone[1]
    # It forgets, and is reminded.
    nlp.update(examples_of(nlp, docs[3:4]), sgd=optimizer)
    before = {name: p.detach().clone() for name, p in names.items()}
    losses = nlp.rehearse(examples_of(nlp, docs), sgd=optimizer)
    assert losses["ner"] > 0
    moved = [name for name, p in names.items() if not np.array_equal(before[name].numpy(), p.detach().numpy())]
    assert len(moved) > 20


CODE = """
import sys, spacy, torch
torch.set_num_threads(2)
nlp = spacy.load(sys.argv[1])
texts = ["Ada Lovelace wrote notes in London ."] * 6 + ["Paris and Rome"] * 6
ents = lambda docs: [[(ent.text, ent.label_) for ent in doc.ents] for doc in docs]
assert ents(nlp.pipe(texts, n_process=2, batch_size=3)) == ents(nlp.pipe(texts)) != [[]] * 12
print("equal")
"""


def test_two_processes(alone, tmp_path):
    alone[0].to_disk(tmp_path)
    command = [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path)]
    assert subprocess.run(command, check=True, timeout=240, capture_output=True, text=True).stdout == "equal\n"


def test_bytes_of_an_encoder_that_is_not_open():
    model = build_encoder("no_matter")
    assert not word_encoder(model.from_bytes(model.to_bytes())).is_open
