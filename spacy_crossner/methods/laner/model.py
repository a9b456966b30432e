"""The model of `label_aware_ner`."""

from functools import partial
from typing import Any

from torch import Tensor

from ...core.architecture import Tok2Vec, settings_of
from ...core.bridge import HeadModel, build_head_model
from ...core.linear import LinearTagger
from .head import LabelAwareTagger


@settings_of(LabelAwareTagger)
def build_label_aware_model(tok2vec: Tok2Vec, **settings: Any) -> HeadModel:
    """Build LANER's head on token vectors.

    tok2vec (Model): a layer with one output row for each token.
    **settings (Any): see `LabelAwareTagger`. Without background and context, the head is a `LinearTagger`.
    """
    return build_head_model(tok2vec, partial(make_head, **settings))


def make_head(width: int, allowed_starts: Tensor, allowed_transitions: Tensor, **settings: Any) -> LinearTagger:
    """Make the torch module; see `build_label_aware_model`."""
    if settings["use_background"] or settings["use_context"]:
        return LabelAwareTagger(width, allowed_starts, allowed_transitions, **settings)
    return LinearTagger(width, allowed_starts, allowed_transitions, use_crf=settings["use_crf"])
