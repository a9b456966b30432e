"""A component above spaCy's shared `tok2vec`: it learns through it, and takes it in when the listener is replaced."""

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.domains import without_annotation

LISTENER = {"@architectures": "spacy.Tok2VecListener.v1", "width": 96}


@pytest.fixture
def pipeline(annotated_docs):
    fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": LISTENER}})
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(40):
        # Not with `sgd`: the encoder would then take its step before the head's gradient has come.
        nlp.update(examples, sgd=False)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)
    return nlp, examples


def test_learns_through_the_listener(pipeline):
    nlp, examples = pipeline
    assert nlp.evaluate(examples)["ents_f"] == 1.0


def test_replaced_listener_keeps_the_predictions(pipeline, tmp_path):
    nlp, examples = pipeline
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).evaluate(examples)["ents_f"] == 1.0
