"""Callbacks for `[initialize]` and `[training]`."""

from typing import Callable, Iterable, Optional

from spacy.language import Language

from ..errors import CrossnerError, Errors
from ..pipeline.base import SequenceNER


def create_add_labels(component: str, labels: Optional[Iterable[str]]) -> Callable[[Language], None]:
    """Make a callback for `[initialize.after_init]` that gives a sourced component the labels of its new domain.

    spaCy does not initialize a sourced component, so it would not meet them.

    component (str): the component's name.
    labels (Optional[Iterable[str]]): the labels; those it has already keep their weights. None, as spaCy's
        `read_labels` gives for a path that is missing, is an error.
    RAISES (CrossnerError): when called, if the pipeline has no such component of ours, or there are no labels.
    """

    def add_labels(nlp: Language) -> None:
        # Not `pipe_names`: spaCy has sourced components disabled at this point.
        pipe = dict(nlp.components).get(component)
        if not isinstance(pipe, SequenceNER):
            raise CrossnerError(Errors.C008.format(name=component, names=", ".join(nlp.component_names)))
        if labels is None:
            raise CrossnerError(Errors.C010.format(name=component))
        pipe.add_labels(labels)

    return add_labels
