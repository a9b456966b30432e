"""The model of `moee_ner`."""

from functools import partial
from typing import Any

from ...core.architecture import Tok2Vec, settings_of
from ...core.bridge import HeadModel, build_head_model
from .head import MixtureTagger


@settings_of(MixtureTagger)
def build_moee_model(tok2vec: Tok2Vec, **settings: Any) -> HeadModel:
    """Build the mixture of entity experts on token vectors.

    tok2vec (Model): a layer with one output row for each token.
    **settings (Any): see `MixtureTagger`.
    """
    return build_head_model(tok2vec, partial(MixtureTagger, **settings))
