"""The score of an entity, `Span._.score`: the probability that the component gives this span with this label."""

from typing import Any, Dict, Optional, Tuple

from spacy.tokens import Span

Key = Tuple[str, str, int, int]


def get_score(span: Span) -> Optional[float]:
    """Return the score of a span with its label, in [0, 1]; None where no component of ours gave it one."""
    scores: Dict[str, float] = span.doc.user_data.get(_key(span), {})
    return scores.get(span.label_)


def set_score(span: Span, score: float) -> None:
    """Note the score of a span with its label."""
    span.doc.user_data.setdefault(_key(span), {})[span.label_] = float(score)


def register_score_extension() -> None:
    """Expose the score as `Span._.score`, readable and writable."""
    if not Span.has_extension("score"):
        Span.set_extension("score", getter=get_score, setter=set_score)


def _key(span: Span) -> Any:
    # The form of spaCy's own span attributes, which `Span.as_doc` moves to the new offsets. The value is a score a
    # label, as two spans of the same tokens may differ in it.
    return ("._.", "score", span.start_char, span.end_char)
