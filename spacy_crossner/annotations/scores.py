"""The score of an entity, `Span._.score`: the probability that the component gives this span with this label.

The score is stored as spaCy stores the value of any custom attribute: a float under spaCy's own key, which holds the
offsets of the span but not its label. So other readers of custom attributes (`Doc.to_json`, `Doc.from_docs`, another
library's attribute of the same name) find a float. A second key of the same form holds the scores by label, because an
entity and a runner-up may have the same offsets.
"""

from typing import Any, Dict, Optional, Tuple, cast

from spacy.tokens import Span

from .extensions import register_extension

NAME = "score"
# The name in the second key; it is not registered as an attribute.
BY_LABEL = "scores_by_label"

Key = Tuple[str, str, int, int]


def get_score(span: Span) -> Optional[float]:
    """Return the score of a span with its label, in [0, 1]; None if no component of this package has set a score.

    A span without a label has the score of the entity with the same offsets. The same holds for a span with any label
    after `Doc.to_json`, which keeps one value for each pair of offsets.
    """
    by_label = _values(span).get(_key(span, BY_LABEL))
    entity_score: Optional[float] = _values(span).get(_key(span, NAME))
    return entity_score if by_label is None or not span.label else by_label.get(span.label_)


def set_score(span: Span, score: float) -> None:
    """Set the score of an entity. The scores of other labels with the same offsets are removed."""
    _values(span)[_key(span, NAME)] = float(score)
    _values(span).pop(_key(span, BY_LABEL), None)
    # `Doc.from_json` sets scores on spans without a label.
    if span.label:
        set_runner_up(span, score)


def set_score_at(user_data: Dict[Any, Any], start: int, end: int, label: str, score: float) -> None:
    """Set the score of an entity in the `user_data` of its doc, as `set_score` does, from character offsets.

    start (int): first character of the entity.
    end (int): its end, exclusive.
    """
    user_data["._.", NAME, start, end] = score
    user_data["._.", BY_LABEL, start, end] = {label: score}


def set_runner_up(span: Span, score: float) -> None:
    """Set the score of a span and keep the scores of other labels with the same offsets."""
    _values(span).setdefault(_key(span, BY_LABEL), {})[span.label_] = float(score)


def register_score_extension() -> None:
    """Expose the score as `Span._.score`, readable and writable."""
    register_extension(Span, NAME, get_score, set_score)


def _values(span: Span) -> Dict[Any, Any]:
    # spaCy's type stubs allow only text as keys.
    return cast(Dict[Any, Any], span.doc.user_data)


def _key(span: Span, name: str) -> Key:
    # The form of spaCy's own span attributes, which `Span.as_doc` and `Doc.from_docs` move to the new offsets.
    return ("._.", name, span.start_char, span.end_char)
