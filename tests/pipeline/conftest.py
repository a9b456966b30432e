"""Fixtures for the tests of components."""

import pytest
import spacy
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.domains import without_annotation


@pytest.fixture(scope="session")
def learn_by_heart(annotated_docs):
    """Give a function that makes a pipeline of one component, named ner, which knows 20 docs by heart, and these."""

    def learn(factory, config):
        fix_random_seed(0)
        nlp = spacy.blank("en")
        nlp.add_pipe(factory, name="ner", config=config)
        docs = annotated_docs(nlp)
        examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
        optimizer = nlp.initialize(lambda: examples)
        for _ in range(40):
            nlp.update(examples, sgd=optimizer)
        return nlp, docs

    return learn
