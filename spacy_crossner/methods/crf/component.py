"""`crf_ner`: entity recognition with a linear-chain CRF on token vectors."""

from typing import Any, Callable, Dict, Optional

from spacy.language import Language

from ...core.bridge import HeadModel
from ...core.component import SequenceNER
from ...core.factory import ASSIGNS, SCORE_WEIGHTS, default_config


class CRFEntityRecognizer(SequenceNER):
    """Entity recognizer with a linear-chain CRF, or with a softmax for each token (`use_crf = false`)."""


@Language.factory(
    "crf_ner",
    assigns=ASSIGNS,
    default_config=default_config("spacy_crossner.CRF.v1"),
    default_score_weights=SCORE_WEIGHTS,
)
def make_crf_ner(
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
) -> SequenceNER:
    """Make the component; see `CRFEntityRecognizer`, and `DecodingSettings` for shared settings."""
    return CRFEntityRecognizer(
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
    )
