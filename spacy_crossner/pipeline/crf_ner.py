"""`crf_ner`: entity recognition with a linear-chain CRF on token vectors."""

from typing import Any, Callable, Dict, Optional

from spacy.language import Language
from thinc.api import Config

from ..models.bridge import HeadModel
from .base import SequenceNER

DEFAULT_CONFIG = Config().from_str(
    """
[crf_ner]
decoding = "constrained"
preset_ents = "constrain"
threshold = null
candidates_key = null
candidates_floor = 0.05
window = 256
overlap = 32

[crf_ner.model]
@architectures = "spacy_crossner.CRF.v1"
use_crf = true

[crf_ner.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true

[crf_ner.losses]

[crf_ner.losses.nll]
@losses = "spacy_crossner.TagLikelihood.v1"
weight = 1.0

[crf_ner.scorer]
@scorers = "spacy.ner_scorer.v1"
"""
)


@Language.factory(
    "crf_ner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"],
    default_config=DEFAULT_CONFIG["crf_ner"],
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_crf_ner(
    nlp: Language,
    name: str,
    model: HeadModel,
    losses: Dict[str, Any],
    decoding: str,
    preset_ents: str,
    threshold: Optional[float],
    candidates_key: Optional[str],
    candidates_floor: float,
    window: int,
    overlap: int,
    scorer: Optional[Callable[..., Dict[str, Any]]],
) -> "CRFEntityRecognizer":
    """Make a `crf_ner` component; see `SequenceNER` for the settings."""
    return CRFEntityRecognizer(
        nlp.vocab,
        model,
        name,
        losses=losses,
        decoding=decoding,
        preset_ents=preset_ents,
        threshold=threshold,
        candidates_key=candidates_key,
        candidates_floor=candidates_floor,
        window=window,
        overlap=overlap,
        scorer=scorer,
    )


class CRFEntityRecognizer(SequenceNER):
    """Entity recognizer with a linear-chain CRF, or with a softmax for each token (`use_crf = false`)."""
