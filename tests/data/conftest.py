"""Fixtures for the tests of data: blank pipelines, of which making one takes longer than reading a small file."""

from functools import cache

import pytest

from spacy_crossner.data import convert, stats
from spacy_crossner.data.tokenizing import blank_pipeline

shared_pipeline = cache(blank_pipeline)


@pytest.fixture(scope="module", autouse=True)
def _shared_pipelines():
    """Let all files of a language share one pipeline."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert, "blank_pipeline", shared_pipeline)
        patch.setattr(stats, "blank_pipeline", shared_pipeline)
        yield
