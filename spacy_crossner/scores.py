"""The score of an entity, `Span._.score`: the probability that the component gives this span with this label.

It is kept as spaCy keeps the value of any custom attribute: a float under spaCy's own key, which holds the place of the
span and no label. So whatever reads such values (`Doc.to_json`, `Doc.from_docs`, another library's attribute of the
same name) finds the float. Where a second label has a score at the same place, as a runner-up may have, it stands
under a key of the same form with the label in its name.
"""

from typing import Any, Dict, Optional, Tuple, cast

from spacy.tokens import Span

from .extensions import register_extension

NAME = "score"

Key = Tuple[str, str, int, int]


def get_score(span: Span) -> Optional[float]:
    """Return the score of a span with its label, in [0, 1]; None where no component of ours gave it one."""
    data = _values(span)
    found: Optional[float] = data.get(_key(span, span.label_), data.get(_key(span)))
    return found


def set_score(span: Span, score: float) -> None:
    """Give a span its score, as that of the label which an entity at its place has."""
    data = _values(span)
    data.pop(_key(span, span.label_), None)
    data[_key(span)] = float(score)


def set_runner_up(span: Span, score: float) -> None:
    """Give a span its score beside that of another label at the same place."""
    _values(span)[_key(span, span.label_)] = float(score)


def register_score_extension() -> None:
    """Expose the score as `Span._.score`, readable and writable."""
    register_extension(Span, NAME, get_score, set_score)


def _values(span: Span) -> Dict[Any, Any]:
    # spaCy's stubs know of text keys alone.
    return cast(Dict[Any, Any], span.doc.user_data)


def _key(span: Span, label: str = "") -> Key:
    # The form of spaCy's own span attributes, which `Span.as_doc` and `Doc.from_docs` move to the new offsets.
    return ("._.", f"{NAME}:{label}" if label else NAME, span.start_char, span.end_char)
