"""The model of `crf_ner`."""

from functools import partial
from typing import Any

from ...core.architecture import Tok2Vec, settings_of
from ...core.bridge import HeadModel, build_head_model
from ...core.linear import LinearTagger


@settings_of(LinearTagger)
def build_crf_model(tok2vec: Tok2Vec, **settings: Any) -> HeadModel:
    """Build a linear layer with a CRF on token vectors.

    tok2vec (Model): a layer with one output row for each token.
    **settings (Any): see `LinearTagger`.
    """
    return build_head_model(tok2vec, partial(LinearTagger, **settings))
