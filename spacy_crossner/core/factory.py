"""How our components become spaCy factories: the settings that all of them have stand here once."""

from inspect import Parameter, Signature, signature
from typing import Any, Callable, Dict, Type

from spacy.language import Language
from thinc.api import Config

from .bridge import HeadModel
from .component import SequenceNER

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
window_size = {neighbours}
maxout_pieces = 3
subword_features = true

[component.losses]

[component.losses.nll]
@losses = "spacy_crossner.TagLikelihood.v1"
weight = 1.0

{losses}
[component.scorer]
@scorers = "spacy.ner_scorer.v1"
"""


def register_component(
    factory: str,
    component: Type[SequenceNER],
    model: str,
    *,
    losses: str = "",
    window: int = 256,
    overlap: int = 32,
    neighbours: int = 1,
    **settings: Any,
) -> Callable[..., SequenceNER]:
    """Register a component as a spaCy factory.

    factory (str): the name of the factory.
    component (Type[SequenceNER]): the class; see `SequenceNER` for the settings.
    model (str): the default settings of its model in the form of a config block, without `tok2vec`.
    losses (str): config blocks of the terms of its loss beside the likelihood of the tags.
    window (int): default of the setting of this name.
    overlap (int): default of the setting of this name.
    neighbours (int): tokens on each side that a layer of the default tok2vec sees.
    **settings (Any): the settings that the component has beside those of `SequenceNER`, and their defaults.
    RETURNS (Callable): the factory function.
    """
    text = DEFAULT_CONFIG.format(
        model=model.strip(), losses=losses.strip(), window=window, overlap=overlap, neighbours=neighbours
    )
    default = Config().from_str(text)["component"]
    default.update(settings)

    def make_component(nlp: Language, name: str, model: HeadModel, **settings: Any) -> SequenceNER:
        return component(nlp.vocab, model, name, **settings)

    # spaCy checks a config against the arguments that a factory names.
    own = [
        Parameter(key, Parameter.KEYWORD_ONLY, annotation=Any if value is None else type(value), default=value)
        for key, value in settings.items()
    ]
    given = [*signature(make_component).parameters.values()][:-1]
    # Terms of the loss are looked at before they are made.
    shared = [
        parameter.replace(annotation=Dict[str, Any]) if key == "losses" else parameter
        for key, parameter in signature(SequenceNER).parameters.items()
        if parameter.kind is Parameter.KEYWORD_ONLY
    ]
    make_component.__signature__ = Signature([*given, *shared, *own])  # type: ignore[attr-defined]
    return Language.factory(
        factory,
        assigns=["doc.ents", "token.ent_iob", "token.ent_type", "span._.score"],
        default_config=default,
        default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
        func=make_component,
    )
