"""The model of `label_aware_ner`."""

from functools import partial
from typing import List, Optional

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ...core.bridge import HeadModel, build_head_model
from .head import LabelAwareTagger


def build_label_aware_model(
    tok2vec: Model[List[Doc], List[Floats2d]],
    label_width: int = 100,
    use_background: bool = True,
    use_context: bool = True,
    use_crf: bool = False,
    scheduled_sampling: float = 0.5,
    beam: int = 1,
    block: Optional[int] = None,
    max_cells: int = 65_536,
) -> HeadModel:
    """Build LANER's head on token vectors; see `LabelAwareTagger` for what the settings mean.

    tok2vec (Model): gives one row a token.
    label_width (int): width of the label table and of each half of the Bi-LSTM.
    use_background (bool): attend from the tags before a token to the sentence.
    use_context (bool): attend from a token to the tags before it.
    use_crf (bool): a CRF on top.
    scheduled_sampling (float): the share of tags before a token that in training is the model's own, 0 to 1.
    beam (int): prefixes followed at once in decoding.
    block (Optional[int]): tokens that a round of decoding looks at; None to choose by the batch.
    max_cells (int): places of prefixes that are attended to at once, which bounds memory.
    """
    return build_head_model(
        tok2vec,
        partial(
            LabelAwareTagger,
            label_width=label_width,
            use_background=use_background,
            use_context=use_context,
            use_crf=use_crf,
            scheduled_sampling=scheduled_sampling,
            beam=beam,
            block=block,
            max_cells=max_cells,
        ),
    )
