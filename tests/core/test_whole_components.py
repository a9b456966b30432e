"""A component with a pre-trained encoder inside is whole: it works in other pipelines, rehearses, and is saved."""

import copy

import numpy as np
import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import without_annotation

from .components import blank, entities, examples_of, plain_sgd, predict_all

# A doc of the sample.
TEXT = "Ada Lovelace wrote notes in London ."
OURS = {("Ada Lovelace", "person"), ("London", "place")}


@pytest.fixture(scope="module")
def taught(learn_by_heart, tiny_encoder):
    """Give a pipeline of a component on the tiny encoder that knows the sample by heart, and the docs."""
    encoder = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder), "precision": "fp32"}
    return learn_by_heart("crf_ner", {"model": {"tok2vec": encoder}}, lang="xx", updates=80, learn_rate=0.01)


@pytest.fixture
def trained(taught):
    nlp, docs = taught
    return copy.deepcopy(nlp), [doc.copy() for doc in docs]


@pytest.fixture(scope="module")
def other_ner():
    """Give a pipeline with spaCy's `ner` and a sentencizer, trained on one entity that ours does not know."""
    fix_random_seed(0)
    nlp = blank()
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("ner")
    examples = [Example.from_dict(nlp.make_doc(TEXT), {"entities": [(19, 24, "work")]})]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)
    assert [ent.text for ent in nlp(TEXT).ents] == ["notes"]
    return nlp


def encoder_weights(nlp, name="ner"):
    shim = nlp.get_pipe(name).model.get_ref("tok2vec").shims[0]
    return {key: weight.detach().clone() for key, weight in shim._model.named_parameters()}


def test_it_knows_the_sample(trained):
    nlp, docs = trained
    assert predict_all(nlp, docs) == [entities(doc) for doc in docs]
    assert not nlp(TEXT).tensor.size


@pytest.mark.parametrize("ours_first", [True, False])
def test_it_works_beside_another_ner(trained, other_ner, ours_first, tmp_path):
    nlp, _ = trained
    both = copy.deepcopy(other_ner)
    both.add_pipe("ner", source=nlp, name="ours", **({"before": "ner"} if ours_first else {"after": "ner"}))
    both.to_disk(tmp_path)
    for pipeline in (both, spacy.load(tmp_path)):
        doc = pipeline(TEXT)
        assert {(ent.text, ent.label_) for ent in doc.ents if ent._.score is not None} >= OURS
        # Whichever comes second keeps the entities of the first.
        assert ("notes", "work") in {(ent.text, ent.label_) for ent in doc.ents}


def test_two_of_them_learn_apart(trained):
    nlp, docs = trained
    both = blank()
    both.add_pipe("ner", source=nlp)
    both.add_pipe("ner", source=copy.deepcopy(nlp), name="second")
    both.get_pipe("second").preset_ents = "overwrite"
    before = encoder_weights(both)
    both.resume_training()
    with both.select_pipes(enable="second"):
        both.update(examples_of(both, docs), sgd=plain_sgd())
    assert all(weight.equal(before[key]) for key, weight in encoder_weights(both).items())
    moved = encoder_weights(both, "second")
    assert any(not weight.equal(before[key]) for key, weight in moved.items())


def test_it_rehearses_and_is_saved(trained, tmp_path):
    nlp, docs = trained
    optimizer = nlp.resume_training()
    nlp.get_pipe("ner").add_label("weather")
    before = encoder_weights(nlp)
    losses = nlp.rehearse(examples_of(nlp, docs), sgd=plain_sgd())
    assert losses["ner"] > 0
    # Rehearsal reaches the encoder inside.
    assert any(not weight.equal(before[key]) for key, weight in encoder_weights(nlp).items())
    for _ in range(3):
        nlp.update(examples_of(nlp, docs[:5]), sgd=optimizer)
        nlp.rehearse(examples_of(nlp, docs), sgd=optimizer)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("ner").labels[-1] == "weather"
    ours, theirs = (
        list(pipeline.pipe([without_annotation(doc, pipeline.vocab) for doc in docs])) for pipeline in (nlp, loaded)
    )
    assert [entities(doc) for doc in ours] == [entities(doc) for doc in theirs]
    scores = [[ent._.score for doc in docs for ent in doc.ents] for docs in (ours, theirs)]
    assert scores[0]
    np.testing.assert_allclose(*scores, atol=1e-5)
