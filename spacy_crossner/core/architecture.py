"""Architectures that take their settings from a head, so that each setting is declared once, in the torch class."""

from functools import wraps
from inspect import Parameter, signature
from typing import Any, Callable, Dict, List, Protocol, Type

from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from .bridge import HeadModel
from .head import SequenceHead

Tok2Vec = Model[List[Doc], List[Floats2d]]


class BuildModel(Protocol):
    """Builds the model of a component: a head on a tok2vec layer."""

    def __call__(self, tok2vec: Tok2Vec, **settings: Any) -> HeadModel:
        """Return the model with a head that has these settings."""


def settings_of(head: Type[SequenceHead]) -> Callable[[BuildModel], BuildModel]:
    """Add the settings of a head to the signature of a function that builds a model.

    The function takes `**settings`. In the new signature, the settings of the head replace `**settings`, so that spaCy
    validates a config against them and fills in their defaults. The function is called with all settings.

    head (Type[SequenceHead]): the torch class. Its settings are its keyword-only parameters that have a default.
    RETURNS (Callable): a decorator.
    """
    settings = [
        parameter
        for parameter in signature(head).parameters.values()
        if parameter.kind is Parameter.KEYWORD_ONLY and parameter.default is not Parameter.empty
    ]
    defaults: Dict[str, Any] = {parameter.name: parameter.default for parameter in settings}

    def decorate(build: BuildModel) -> BuildModel:
        @wraps(build)
        def build_with_defaults(tok2vec: Tok2Vec, **given: Any) -> HeadModel:
            return build(tok2vec, **{**defaults, **given})

        declared = signature(build)
        named = [each for each in declared.parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        new = declared.replace(parameters=[*named, *settings])
        build_with_defaults.__signature__ = new  # type: ignore[attr-defined]
        return build_with_defaults

    return decorate
