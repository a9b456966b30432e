"""Listeners: layers that take their vectors from an encoder in another component, and a check that it has run."""

from typing import Any, Iterable, List, Optional, cast

from spacy.language import Language
from spacy.pipeline.tok2vec import Tok2VecListener
from spacy.tokens import Doc
from thinc.api import Model

from ..errors import CrossnerError, Errors

# Name of spacy-transformers' listener. The class is not imported, because a pipeline may do without the package.
TRANSFORMER_LISTENER = "transformer-listener"
# Names of the layers that listen.
LISTENERS = (Tok2VecListener.name, TRANSFORMER_LISTENER)
# Number of characters of a doc that an error shows.
CHARACTERS_SHOWN = 40


def find_listeners(model: Model[Any, Any]) -> List[Model[Any, Any]]:
    """Return the layers of a model that listen to another component."""
    return [node for node in model.walk() if node.name in LISTENERS]


def find_upstream(nlp: Language, listener: Model[Any, Any]) -> Optional[Model[Any, Any]]:
    """Return the model that a layer listens to; None if no component of the pipeline has it."""
    for _, pipe in nlp.components:
        if any(other is listener for other in getattr(pipe, "listeners", [])):
            return cast(Model[Any, Any], pipe.model)  # type: ignore[attr-defined]
    return None


def require_encoders(nlp: Language) -> None:
    """Check before training that each listener of a pipeline has its encoder in the pipeline.

    RAISES (CrossnerError): a component listens to an encoder that the pipeline does not have.
    """
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        listeners = find_listeners(model) if isinstance(model, Model) else []
        if any(find_upstream(nlp, listener) is None for listener in listeners):
            raise CrossnerError(Errors.C520.format(name=name, pipeline=", ".join(nlp.pipe_names)))


def require_upstream(model: Model[Any, Any], docs: Iterable[Doc], component_name: str) -> None:
    """Check that the encoder that a model listens to has run on docs, before the model predicts on them.

    If the encoder is disabled, missing, or later in the pipeline, a listener gives zeros without an error.

    model (Model): the model of a component. A model without listeners passes.
    docs (Iterable[Doc]): the docs. Docs without tokens need no vectors.
    component_name (str): the component's name, for the error.
    RAISES (CrossnerError): a doc has no vectors, or their number or width does not match.
    """
    for listener in find_listeners(model):
        has_vectors = _has_pieces if listener.name == TRANSFORMER_LISTENER else _has_tensor
        for doc in docs:
            if len(doc) and not has_vectors(listener, doc):
                upstream = listener.upstream_name  # type: ignore[attr-defined]
                kind = "transformer" if listener.name == TRANSFORMER_LISTENER else "tok2vec"
                text = doc.text if len(doc.text) <= CHARACTERS_SHOWN else f"{doc.text[:CHARACTERS_SHOWN].rstrip()}..."
                raise CrossnerError(
                    Errors.C083.format(
                        name=component_name,
                        upstream=f"'{upstream}'" if upstream != "*" else f"of type {kind}",
                        text=" ".join(text.split()),
                    )
                )


def _has_pieces(listener: Model[Any, Any], doc: Doc) -> bool:
    # The attribute is registered when the first transformer component is created.
    data = doc._.trf_data if doc.has_extension("trf_data") else None
    if data is None or len(data.align.lengths) != len(doc):
        return False
    hidden = data.model_output.get("last_hidden_state")
    return hidden is not None and _fits(listener, hidden.shape[-1])


def _has_tensor(listener: Model[Any, Any], doc: Doc) -> bool:
    return doc.tensor.ndim == 2 and len(doc.tensor) == len(doc) and _fits(listener, doc.tensor.shape[1])


def _fits(listener: Model[Any, Any], width: int) -> bool:
    return listener.maybe_get_dim("nO") in (None, width)
