"""How our components become spaCy factories: the settings that all of them have stand here once."""

from typing import Any, Callable, Dict, Optional, Type

from spacy.language import Language
from thinc.api import Config

from ..models.bridge import HeadModel
from .base import SequenceNER

DEFAULT_CONFIG = """
[component]
decoding = "constrained"
preset_ents = "constrain"
threshold = null
candidates_key = null
candidates_floor = 0.05
window = {window}
overlap = {overlap}

[component.model]
{model}

[component.model.tok2vec]
@architectures = "spacy.HashEmbedCNN.v2"
pretrained_vectors = null
width = 96
depth = 4
embed_size = 2000
window_size = 1
maxout_pieces = 3
subword_features = true

[component.losses]

[component.losses.nll]
@losses = "spacy_crossner.TagLikelihood.v1"
weight = 1.0

[component.scorer]
@scorers = "spacy.ner_scorer.v1"
"""


def register_component(
    factory: str, component: Type[SequenceNER], model: str, *, window: int = 256, overlap: int = 32
) -> Callable[..., SequenceNER]:
    """Register a component as a spaCy factory.

    factory (str): the name of the factory.
    component (Type[SequenceNER]): the class; see `SequenceNER` for the settings.
    model (str): the default settings of its model in the form of a config block, without `tok2vec`.
    window (int): default of the setting of this name.
    overlap (int): default of the setting of this name.
    RETURNS (Callable): the factory function.
    """
    default = Config().from_str(DEFAULT_CONFIG.format(model=model.strip(), window=window, overlap=overlap))

    def make_component(
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
    ) -> SequenceNER:
        return component(
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

    return Language.factory(
        factory,
        assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"],
        default_config=default["component"],
        default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
        func=make_component,
    )
