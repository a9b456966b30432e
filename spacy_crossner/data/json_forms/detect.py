"""Detect the form of a record by its keys, and read it."""

from typing import Any, Dict, List, Optional

from ...errors import DataError
from ..faults import CLASSIFICATION, NO_TEXT, UNKNOWN_FORM
from ..offsets import Mark
from .items import FORMS, WITHOUT_LABELS, Context, Item, TextItem
from .label_studio import find_min_key, is_task, read_min, read_task
from .records import Record, is_pair, quote
from .spans import read_grouped_spans, read_listed_spans
from .tokens import find_words, read_paragraphs, read_tokens

# Keys that hold spans, in the order of the search, with the name of the form.
SPAN_KEYS = {
    "ents": "spaCy doc",
    "spans": "spans",
    "entities": "entities",
    "annotations": "doccano",
    "label": "doccano",
    "labels": "doccano",
}

# Known keys without entities, though their values may look like spans.
OTHER_KEYS = {"tokens", "words", "sents", "relations", "arcs", "options", "meta", "_", "predictions"}

# Keys of Prodigy and spaCy for labels of the whole text.
OF_TEXT_KEYS = {"accept", "cats"}

# Keys that suggest entities, whatever their value.
LABEL_KEYS = {
    *SPAN_KEYS,
    "ner",
    "ner_tags",
    "tags",
    "mentions",
    "annotation",
    "entity",
    "named_entities",
    *OF_TEXT_KEYS,
}

# Keys of an object for the begin or the end of a span.
EDGES = {
    "start",
    "end",
    "begin",
    "offset",
    "offsets",
    "start_offset",
    "startOffset",
    "beginOffset",
    "start_char",
    "from",
}


def read_record(record: Record, context: Context) -> List[Item]:
    """Read a record of any form.

    record (Record): the record.
    context (Context): the file.
    RETURNS (List[Item]): its sentences; empty for a record that is left out.
    RAISES (DataError): the record has no known form, or a fault that is not repaired.
    """
    if is_pair(record.value):
        return _read_pair(record, context)
    value = record.value
    answer = value.get("answer")
    if answer not in (None, "accept"):
        context.faults.note(f"records left out for their answer, {quote(answer)}")
        return []
    if "paragraphs" in value:
        return [*read_paragraphs(record, context)]
    if is_task(value):
        return [*read_task(record, context)]
    words_key = find_words(value)
    if words_key is not None:
        return [*read_tokens(record, context, words_key)]
    min_key = find_min_key(value)
    if min_key is not None:
        return [*read_min(record, context, min_key)]
    return _read_text(record, context)


def _read_pair(record: Record, context: Context) -> List[Item]:
    """Read spaCy's pair of a text and an object."""
    text, annotation = record.value
    context.note_form("spaCy pairs")
    return _read_text(Record(record.line, {**annotation, "text": text}, record.enclosing), context)


def _read_text(record: Record, context: Context) -> List[Item]:
    """Read a record with a text and, under one of the known keys, its spans."""
    value = record.value
    text = value.get("text")
    if not isinstance(text, str) or not text.strip():
        if "text" not in value and not context.raw:
            _refuse_other_labels(record, context, None)
        keys = ", ".join(map(quote, value))
        found = f'no "text" (keys: {keys:.120})' if text is None else f'"text": {quote(text)}'
        context.faults.mend(NO_TEXT, record.line, found)
        return []
    key = _find_spans(value, context)
    marks: Optional[List[Mark]] = None
    if key is not None:
        context.note_form(SPAN_KEYS[key])
        read_spans = read_grouped_spans if _is_grouped(value[key]) else read_listed_spans
        try:
            marks = read_spans(record, context, text, key)
        except DataError:
            if not context.raw:
                raise
        if marks is None and not context.raw:
            return []
    if not marks and not context.raw:
        _refuse_other_labels(record, context, key)
    if marks is None and value.get("answer") is not None and not context.raw:
        # Prodigy leaves out the key of the spans if a text has no entity.
        context.faults.note(WITHOUT_LABELS)
        marks = []
    is_partial = value.get("_view_id") == "ner" or value.get("_is_binary") is True
    input_hash = value.get("_input_hash")
    item = TextItem(record.line, text, marks, value.get("tokens"))
    item.partial = is_partial and value.get("_is_binary") is not False and value.get("answer") is not None
    item.key = (text, input_hash if isinstance(input_hash, (int, str)) else None)
    return [item]


def _find_spans(value: Dict[str, Any], context: Context) -> Optional[str]:
    """Return the key of a record's spans: the first that is not empty, or else the first."""
    keys = [key for key in SPAN_KEYS if isinstance(value.get(key), (list, dict))]
    filled = [key for key in keys if value[key]]
    for other in filled[1:]:
        context.faults.note(f"records with labels under {quote(other)}, too, which are not read")
    if value.get("relations"):
        context.faults.note("records whose relations are not read")
    return next(iter(filled or keys), None)


def _is_grouped(spans: Any) -> bool:
    """Return whether spans are in groups by name, as in a spaCy doc."""
    return isinstance(spans, dict) and all(isinstance(group, list) for group in spans.values())


def _refuse_other_labels(record: Record, context: Context, key: Optional[str]) -> None:
    """Check that a record without spans has no labels under another key: it would count as one without an entity.

    RAISES (DataError): a key holds labels in an unknown form, or labels of the whole text.
    """
    for other_key, value in record.value.items():
        if other_key in (key, "text", "answer") or value in (None, "", [], {}):
            continue
        known = key is None and other_key in LABEL_KEYS
        if known and (
            other_key in OF_TEXT_KEYS or (other_key in ("label", "labels") and isinstance(value, (str, int)))
        ):
            found = f"'{other_key}': {quote(value)}, a label of the text"
            raise context.faults.error(CLASSIFICATION, record.line, found)
        if known or (other_key not in OTHER_KEYS and _holds_spans(value)):
            found = f"{quote(other_key)}: {quote(value)}, which looks like labels"
            raise context.faults.error(UNKNOWN_FORM, record.line, found, forms=FORMS)


def _holds_spans(value: Any) -> bool:
    """Return whether a value looks like spans: objects with a begin or end, lists of two numbers, or groups of both."""
    if isinstance(value, dict):
        return any(isinstance(group, list) and _holds_spans(group) for group in value.values())
    if not isinstance(value, list):
        return False
    for entry in value:
        if isinstance(entry, dict) and not EDGES.isdisjoint(entry):
            return True
        types = [type(part) for part in entry] if isinstance(entry, list) else []
        if types.count(int) >= 2 and str in types:
            return True
    return False


def merge_answers(items: List[Item], context: Context) -> List[Item]:
    """Merge the records with single answers of one text: the accepted spans, each once.

    items (List[Item]): the items of a file.
    context (Context): the file.
    RETURNS (List[Item]): the items; the records of a text are merged into the first.
    """
    merged: List[Item] = []
    first: Dict[object, TextItem] = {}
    for item in items:
        if not isinstance(item, TextItem) or not item.partial:
            merged.append(item)
        elif item.key not in first:
            first[item.key] = item
            merged.append(item)
        else:
            marks = first[item.key].marks = first[item.key].marks or []
            known = {(mark.start, mark.end, mark.label) for mark in marks}
            marks += [mark for mark in item.marks or [] if (mark.start, mark.end, mark.label) not in known]
    empty = [item for item in first.values() if not item.marks]
    if empty:
        context.faults.note("texts of single answers without an accepted span left out", len(empty))
    if first:
        what = "texts with single answers (Prodigy's ner.teach): tokens outside of accepted spans are left unannotated"
        context.faults.note(what, len(first) - len(empty))
    return [item for item in merged if not (isinstance(item, TextItem) and item.partial and not item.marks)]
