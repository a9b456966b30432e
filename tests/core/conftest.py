"""Fixtures for the tests of all components: each is trained once a process, and each test gets a copy."""

import copy
from functools import cache

import pytest

from .components import COMPONENTS, component_config, make_pipeline


@pytest.fixture(params=COMPONENTS)
def component(request):
    """Give the name of a row of COMPONENTS."""
    return request.param


@pytest.fixture
def untrained(component):
    """Give a pipeline with the component."""
    return make_pipeline(component)


@pytest.fixture(scope="session")
def learned(learn_by_heart):
    """Give a function that returns a pipeline which knows the sample by heart, always the same one: for reading."""

    @cache
    def learn(component):
        return learn_by_heart(*component_config(component), lang="xx", updates=25, learn_rate=0.01)[0]

    return learn


@pytest.fixture
def trained(component, learned, annotated_docs):
    """Give a copy of that pipeline, and its gold docs."""
    nlp = copy.deepcopy(learned(component))
    return nlp, annotated_docs(nlp)
