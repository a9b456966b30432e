"""`label_aware_ner`: each tag is predicted from the sentence and from the tags before it (LANER)."""

from typing import Any, Callable, Dict, Optional

from spacy.language import Language

from ...core.bridge import HeadModel
from ...core.component import SequenceNER
from ...core.factory import ASSIGNS, SCORE_WEIGHTS, default_config

# About two sentences. Tag prefixes and backgrounds that are far longer than in training reduce F1.
WINDOW, OVERLAP = 64, 16


class LabelAwareEntityRecognizer(SequenceNER):
    """Label-aware autoregressive entity recognizer (Hu et al., 2022).

    Each window starts with an empty tag prefix and a new label background; see `plan_windows`.
    """


@Language.factory(
    "label_aware_ner",
    assigns=ASSIGNS,
    default_config=default_config("spacy_crossner.LabelAware.v1", window=WINDOW, overlap=OVERLAP),
    default_score_weights=SCORE_WEIGHTS,
)
def make_label_aware_ner(
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
    """Make the component; see `LabelAwareEntityRecognizer`, and `DecodingSettings` for shared settings."""
    return LabelAwareEntityRecognizer(
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
