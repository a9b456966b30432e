"""Every component above an encoder that the pipeline shares."""

import copy
from functools import cache

import pytest
import spacy
from thinc.api import fix_random_seed

from spacy_crossner.errors import CrossnerError

from .components import TOK2VEC, blank, component_config, entities, examples_of, predict_all


@pytest.fixture(scope="session")
def listening(annotated_docs):
    """Give a function that returns a pipeline whose component, above a shared `tok2vec`, knows the sample by heart."""

    @cache
    def learn(component):
        fix_random_seed(0)
        listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": TOK2VEC["width"]}
        factory, config = component_config(component, listener)
        nlp = blank()
        nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
        nlp.add_pipe(factory, name="ner", config=config)
        examples = examples_of(nlp, annotated_docs(nlp))
        optimizer = nlp.initialize(lambda: examples)
        optimizer.learn_rate = 0.01
        for _ in range(25):
            # Not with `sgd`: the encoder would then take its step before the head's gradient has come.
            nlp.update(examples, sgd=False)
            for _, pipe in nlp.pipeline:
                pipe.finish_update(optimizer)
        return nlp

    return learn


def test_learns_through_a_listener_and_takes_the_encoder_in(component, listening, annotated_docs, tmp_path):
    nlp = copy.deepcopy(listening(component))
    docs = annotated_docs(nlp)
    assert predict_all(nlp, docs) == [entities(doc) for doc in docs]
    nlp.replace_listeners("tok2vec", "ner", ["model.tok2vec"])
    nlp.remove_pipe("tok2vec")
    nlp.to_disk(tmp_path)
    assert predict_all(spacy.load(tmp_path), docs) == [entities(doc) for doc in docs]


def test_a_listener_cannot_rehearse(component, listening, annotated_docs):
    nlp = copy.deepcopy(listening(component))
    nlp.resume_training()
    with pytest.raises(CrossnerError, match="C028"):
        nlp.rehearse(examples_of(nlp, annotated_docs(nlp)))
