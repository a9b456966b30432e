"""`moee_ner`: entity recognition with a mixture of entity experts, one for each entity type (MoEE)."""

from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

import numpy as np
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab
from torch import Tensor

from ...annotations.experts import set_experts
from ...annotations.tags import OUTSIDE
from ...core.bridge import HeadModel
from ...core.component import SequenceNER
from ...core.decoding import Part
from ...core.factory import ASSIGNS, SCORE_WEIGHTS, default_config
from ...core.head import Decoding, HeadOutput
from ...core.prediction import Prediction
from .head import GATE

LOSSES = {"detection": "spacy_crossner.EntityDetection.v1", "gate": "spacy_crossner.ExpertGate.v1"}


class MixtureEntityRecognizer(SequenceNER):
    """Entity recognizer with a mixture of entity experts and multi-task learning (Liu et al., 2020).

    keep_experts (bool): store the weights of the experts for each token, as `token._.experts`.
    settings (Any): see `SequenceNER`.
    """

    def __init__(self, vocab: Vocab, model: HeadModel, name: str, *, keep_experts: bool, **settings: Any) -> None:
        super().__init__(vocab, model, name, **settings)
        self.keep_experts = keep_experts

    def decode_windows(self, output: HeadOutput, decoding: Decoding) -> Dict[str, Tensor]:
        """Decode the head's output for windows; see `SequenceNER`. With `keep_experts`, return their weights, too."""
        results = super().decode_windows(output, decoding)
        if self.keep_experts and GATE in output.extras:
            results["experts"] = output.extras[GATE].softmax(dim=-1)
        return results

    def read_windows(self, part: Part, results: Dict[str, NDArray[Any]], predictions: List[Prediction]) -> None:
        """Add the spans of windows to the predictions; see `SequenceNER`. Add the weights of the experts, too."""
        super().read_windows(part, results, predictions)
        if "experts" not in results:
            return
        for window, weights in zip(part.rows.windows, results["experts"], strict=True):
            prediction = predictions[window.doc]
            if prediction.experts is None:
                n_words = len(part.rows.words[window.doc])
                prediction.experts = np.zeros((n_words, weights.shape[1]), dtype=np.float32)
            core = weights[window.core_start - window.start : window.core_end - window.start]
            prediction.experts[window.core_start : window.core_end] = core

    def set_annotations(self, docs: Iterable[Doc], scores: Sequence[Prediction]) -> None:
        """Set the entities of docs; see `SequenceNER`. With `keep_experts`, also store the weights of the experts."""
        docs = list(docs)
        super().set_annotations(docs, scores)
        for doc, prediction in zip(docs, scores, strict=True):
            if prediction.experts is not None:
                set_experts(doc, [OUTSIDE, *self.labels], prediction.experts)


@Language.factory(
    "moee_ner",
    assigns=ASSIGNS,
    default_config=default_config("spacy_crossner.MoEE.v1", losses=LOSSES, keep_experts=False),
    default_score_weights=SCORE_WEIGHTS,
)
def make_moee_ner(
    nlp: Language,
    name: str,
    model: HeadModel,
    losses: Dict[str, Any],
    scorer: Optional[Callable[..., Dict[str, Any]]],
    decoding: str,
    preset_ents: str,
    threshold: Optional[float],
    candidates_key: Optional[str],
    candidates_floor: float,
    window: int,
    overlap: int,
    keep_experts: bool,
) -> SequenceNER:
    """Make the component; see `MixtureEntityRecognizer`, and `DecodingSettings` for shared settings."""
    return MixtureEntityRecognizer(
        nlp.vocab,
        model,
        name,
        losses=losses,
        scorer=scorer,
        decoding=decoding,
        preset_ents=preset_ents,
        threshold=threshold,
        candidates_key=candidates_key,
        candidates_floor=candidates_floor,
        window=window,
        overlap=overlap,
        keep_experts=keep_experts,
    )
