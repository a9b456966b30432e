"""`moee_ner`: each tag from a mixture of features of one expert an entity type (MoEE)."""

from typing import Any, Iterable, List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ...annotations.experts import set_experts
from ...annotations.tags import OUTSIDE
from ...core.component import SequenceNER
from ...core.doc_windows import Window
from ...core.factory import register_component
from ...core.head import HeadOutput
from ...core.prediction import Prediction
from .head import GATE

MODEL = """
@architectures = "spacy_crossner.MoEE.v1"
expert_width = 200
use_multi_task = true
use_experts = true
use_crf = true
"""

LOSSES = """
[component.losses.detection]
@losses = "spacy_crossner.EntityDetection.v1"
weight = 1.0

[component.losses.gate]
@losses = "spacy_crossner.ExpertGate.v1"
weight = 1.0
"""


class MixtureEntityRecognizer(SequenceNER):
    """Entity recognizer with a mixture of entity experts and multi-task learning (Liu et al., 2020).

    keep_experts (bool): leave on each doc how much each expert counts for each token, `token._.experts`.
    """

    def __init__(self, *args: Any, keep_experts: bool = False, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.keep_experts = keep_experts

    def _decode(
        self,
        words: List[Doc],
        chunk: List[Window],
        output: HeadOutput,
        allowed: Optional[NDArray[np.bool_]],
        predictions: List[Prediction],
    ) -> None:
        super()._decode(words, chunk, output, allowed, predictions)
        if not self.keep_experts or GATE not in output.extras:
            return
        weights = output.extras[GATE].softmax(dim=-1).cpu().numpy()
        for window, rows in zip(chunk, weights, strict=True):
            prediction = predictions[window.doc]
            if prediction.experts is None:
                prediction.experts = np.zeros((len(words[window.doc]), rows.shape[1]), dtype=np.float32)
            core = rows[window.core_start - window.start : window.core_end - window.start]
            prediction.experts[window.core_start : window.core_end] = core

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Prediction]) -> None:
        """Set the entities of docs; see `SequenceNER.set_annotations`. With `keep_experts`, the experts, too."""
        docs = list(docs)
        super().set_annotations(docs, scores)
        for doc, prediction in zip(docs, scores, strict=True):
            if prediction.experts is not None:
                set_experts(doc, [OUTSIDE, *self.labels], prediction.experts)


make_moee_ner = register_component("moee_ner", MixtureEntityRecognizer, MODEL, losses=LOSSES, keep_experts=False)
