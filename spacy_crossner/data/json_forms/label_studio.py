"""Label Studio: JSON, with all annotations of a task, and JSON-MIN, with one annotation per record."""

from typing import Any, Dict, List, Optional, Tuple

from ..faults import ANNOTATORS, BAD_RECORD, CLASSIFICATION, NO_TEXT, NOT_PLAIN
from ..offsets import Mark
from .items import Context, TextItem, make_mark
from .records import Record, quote

FORM = "Label Studio JSON"

TASK_FORM = (
    '"data" with a text and "annotations" as a list of objects with a "result", a list of objects, each with a "type" '
    'and, where that is "labels", a "value" with "start", "end" and "labels"'
)

# The key of annotations, and its name before version 1.0.
ANNOTATION_KEYS = ("annotations", "completions")

# Types of results that mark a region in something other than plain text.
OTHER_PLACES = ("hypertextlabels", "paragraphlabels", "timeserieslabels", "rectanglelabels", "polygonlabels")

# Types of results for the whole text.
OF_TEXT = ("choices", "taxonomy", "rating", "number", "pairwise")

Spans = List[Dict[str, Any]]


def is_task(value: Dict[str, Any]) -> bool:
    """Return whether a record is a task of Label Studio's JSON."""
    return isinstance(value.get("data"), dict) and any(key in value for key in (*ANNOTATION_KEYS, "predictions"))


def read_task(record: Record, context: Context) -> List[TextItem]:
    """Read a task.

    Cancelled annotations are ignored; those marked as ground truth take precedence. Predictions are not read, because
    no person has confirmed them.

    record (Record): the task.
    context (Context): the file.
    RETURNS (List[TextItem]): its text; empty for a task that is left out.
    RAISES (DataError): annotations differ, or a part has another form.
    """
    context.note_form(FORM)
    try:
        annotations = _standing_annotations(record.value)
        readings = [_read_result(record, context, annotation["result"]) for annotation in annotations]
    except (KeyError, TypeError, AttributeError):
        context.faults.mend(BAD_RECORD, record.line, quote(record.value), form=TASK_FORM)
        return []
    if not readings and not context.raw:
        remark = ", though they have predictions" if record.value.get("predictions") else ""
        context.faults.note(f"tasks without an annotation left out{remark}")
        return []
    if any(sorted(map(_span_key, reading)) != sorted(map(_span_key, readings[0])) for reading in readings):
        found = f"{len(readings)} annotations that differ"
        context.faults.mend(ANNOTATORS, record.line, found)
    spans = readings[-1] if readings else []
    text = _find_text(record, context, record.value["data"], spans)
    return [] if text is None else [TextItem(record.line, text, _make_marks(record, context, text, spans))]


def _span_key(span: Dict[str, Any]) -> Tuple[str, ...]:
    """Return a key by which the spans of two annotations are compared."""
    return quote(span.get("start")), quote(span.get("end")), *sorted(map(quote, span["labels"]))


def _standing_annotations(task: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Return the candidates for the annotation that is read."""
    key = next((key for key in ANNOTATION_KEYS if key in task), None)
    listed = [annotation for annotation in (task[key] or [] if key else []) if not annotation.get("was_cancelled")]
    return [annotation for annotation in listed if annotation.get("ground_truth")] or listed


def _read_result(record: Record, context: Context, result: Spans) -> Spans:
    """Return the spans of an annotation; other results are counted in a note.

    RAISES (DataError): no result is a span in plain text.
    """
    spans: Spans = []
    other_kinds: List[str] = []
    for entry in result:
        kind = entry["type"]
        if kind in OTHER_PLACES:
            raise context.faults.error(NOT_PLAIN, record.line, f"a result of the type {quote(kind)}")
        if kind == "labels":
            value = entry["value"]
            labels = value.get("labels") or [""]
            if not isinstance(labels, list):
                raise TypeError
            spans.append({**value, "labels": labels, "to_name": entry.get("to_name")})
        else:
            other_kinds.append(str(kind))
            context.faults.note(f"results of the type {quote(kind)} not read")
    if other_kinds and not spans and set(other_kinds) <= set(OF_TEXT) and not context.raw:
        raise context.faults.error(CLASSIFICATION, record.line, f"results of the type {quote(other_kinds[0])} alone")
    return spans


def find_min_key(value: Dict[str, Any]) -> Optional[str]:
    """Return the key of the spans in a record of JSON-MIN; None if it has no spans."""
    for key, spans in value.items():
        if isinstance(spans, list) and spans and all(map(_is_min_span, spans)):
            return key
    return None


def _is_min_span(span: object) -> bool:
    return isinstance(span, dict) and isinstance(span.get("labels"), list) and "start" in span


def read_min(record: Record, context: Context, key: str) -> List[TextItem]:
    """Read a record of JSON-MIN; see `read_task`.

    record (Record): the record.
    context (Context): the file.
    key (str): the key of the spans.
    """
    context.note_form("Label Studio JSON-MIN")
    spans: Spans = [{**span, "labels": span["labels"] or [""]} for span in record.value[key]]
    text = _find_text(record, context, record.value, spans)
    return [] if text is None else [TextItem(record.line, text, _make_marks(record, context, text, spans))]


def _make_marks(record: Record, context: Context, text: str, spans: Spans) -> List[Mark]:
    """Return the spans of a text, one for each of several labels."""
    marks = [
        make_mark(record, context, text, (span.get("start"), span.get("end")), label, span.get("text"))
        for span in spans
        for label in span["labels"]
    ]
    return [mark for mark in marks if mark]


def _find_text(record: Record, context: Context, data: Dict[str, Any], spans: Spans) -> Optional[str]:
    """Return the text of the spans; None for a record that is left out.

    Candidates are the text that the spans name (`to_name`), then "text", then all other texts. The first one that
    contains the words of all spans is used. If no text does, the first of the former two kinds is used.
    """
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value.strip()}
    named = [name for span in spans if isinstance(name := span.get("to_name"), str)]
    named_texts = [texts[key] for key in (*named, "text") if key in texts]
    words = [span["text"] for span in spans if isinstance(span.get("text"), str)]
    if words or len(texts) == 1:
        for text in (*named_texts, *texts.values()):
            if all(word in text for word in words):
                return text
    if named_texts:
        return named_texts[0]
    keys = ", ".join(map(quote, texts)) or "none"
    context.faults.mend(NO_TEXT, record.line, f"no text under 'text' (texts: {keys})")
    return None
