"""The score of an entity, `Span._.score`: the probability that the component gives this span with this label.

It is kept as spaCy keeps the value of any custom attribute: a float under spaCy's own key, which holds the place of the
span and no label. So whatever reads such values (`Doc.to_json`, `Doc.from_docs`, another library's attribute of the
same name) finds the float. Beside it, under a key of the same form, stand the scores of all labels at the place, as an
entity and a runner-up may share it.
"""

from typing import Any, Dict, Optional, Tuple, cast

from spacy.tokens import Span

from .extensions import register_extension

NAME = "score"
# What the scores by label are kept under; no attribute.
LABELS = "scores_by_label"

Key = Tuple[str, str, int, int]


def get_score(span: Span) -> Optional[float]:
    """Return the score of a span with its label, in [0, 1]; None where no component of ours gave it one.

    A span without a label has the score of the entity at its place. So has a span with any label after `Doc.to_json`,
    which takes one value a place.
    """
    labels = _values(span).get(_key(span, LABELS))
    found: Optional[float] = _values(span).get(_key(span, NAME))
    return found if labels is None or not span.label else labels.get(span.label_)


def set_score(span: Span, score: float) -> None:
    """Give a span its score, as that of the label which an entity at its place has; no other label keeps one."""
    _values(span)[_key(span, NAME)] = float(score)
    _values(span).pop(_key(span, LABELS), None)
    # `Doc.from_json` sets what it reads on spans without a label.
    if span.label:
        set_runner_up(span, score)


def set_runner_up(span: Span, score: float) -> None:
    """Give a span its score beside that of another label at the same place."""
    _values(span).setdefault(_key(span, LABELS), {})[span.label_] = float(score)


def register_score_extension() -> None:
    """Expose the score as `Span._.score`, readable and writable."""
    register_extension(Span, NAME, get_score, set_score)


def _values(span: Span) -> Dict[Any, Any]:
    # spaCy's stubs know of text keys alone.
    return cast(Dict[Any, Any], span.doc.user_data)


def _key(span: Span, name: str) -> Key:
    # The form of spaCy's own span attributes, which `Span.as_doc` and `Doc.from_docs` move to the new offsets.
    return ("._.", name, span.start_char, span.end_char)
