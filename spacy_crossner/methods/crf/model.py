"""The model of `crf_ner`."""

from functools import partial
from typing import List

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ...core.bridge import HeadModel, build_head_model
from ...core.linear import LinearTagger


def build_crf_model(tok2vec: Model[List[Doc], List[Floats2d]], use_crf: bool = True) -> HeadModel:
    """Build a linear layer with a CRF on token vectors.

    tok2vec (Model): gives one row a token.
    use_crf (bool): a CRF; False makes it the plain tagger of CrossNER, a softmax for each token by itself.
    """
    return build_head_model(tok2vec, partial(LinearTagger, use_crf=use_crf))
