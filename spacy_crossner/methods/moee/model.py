"""The model of `moee_ner`."""

from functools import partial
from typing import List

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ...core.bridge import HeadModel, build_head_model
from .head import MixtureTagger


def build_moee_model(
    tok2vec: Model[List[Doc], List[Floats2d]],
    expert_width: int = 200,
    use_multi_task: bool = True,
    use_experts: bool = True,
    use_crf: bool = True,
) -> HeadModel:
    """Build the mixture of entity experts on token vectors; see `MixtureTagger` for what the settings mean.

    tok2vec (Model): gives one row a token.
    expert_width (int): width of the experts' features.
    use_multi_task (bool): learn entity or not as a task of its own.
    use_experts (bool): gate and experts.
    use_crf (bool): a CRF for each task, or a softmax for each token.
    """
    make_head = partial(
        MixtureTagger,
        expert_width=expert_width,
        use_multi_task=use_multi_task,
        use_experts=use_experts,
        use_crf=use_crf,
    )
    return build_head_model(tok2vec, make_head)
