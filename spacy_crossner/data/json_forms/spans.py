"""Texts with character spans: Prodigy, doccano, spaCy's pairs, docs and displaCy."""

from typing import Any, Dict, List, Optional

from ..faults import BAD_RECORD, CLASSIFICATION, LABEL_IDS, UNKNOWN_FORM
from ..offsets import Mark
from .items import FORMS, Context, make_mark
from .label_names import LABEL_CONFIG, read_label_config
from .records import Record, quote

SPANS_FORM = '"{key}" as a list of objects with "start", "end" and "label", or of lists [start, end, label]'

# The keys of a span's start and end: of Prodigy and spaCy, and of doccano.
EDGE_KEYS = (("start", "end"), ("start_offset", "end_offset"))


def read_listed_spans(record: Record, context: Context, text: str, key: str) -> Optional[List[Mark]]:
    """Read spans that a record lists as objects or as [start, end, label].

    record (Record): the record.
    context (Context): the file.
    text (str): its text.
    key (str): the key of the list.
    RETURNS (Optional[List[Mark]]): the spans; None for a record that is left out.
    RAISES (DataError): the list has another form, its labels belong to the whole text, or are numbers without names.
    """
    spans = record.value[key]
    form = SPANS_FORM.format(key=key)
    if not isinstance(spans, list):
        return _report_bad_record(record, context, key, spans, form)
    marks: List[Mark] = []
    for span in spans:
        if isinstance(span, str) and key in ("label", "labels"):
            raise context.faults.error(CLASSIFICATION, record.line, f"'{key}': {quote(spans)}, labels of the text")
        if isinstance(span, str):
            raise context.faults.error(UNKNOWN_FORM, record.line, f"'{key}': {quote(spans)}", forms=FORMS)
        if isinstance(span, dict):
            edge_keys = next(
                (edge_keys for edge_keys in EDGE_KEYS if edge_keys[0] in span or edge_keys[1] in span), None
            )
            if edge_keys is None and key == "annotations" and "label" in span:
                found = f"'{key}' without offsets: {quote(span)}"
                raise context.faults.error(CLASSIFICATION, record.line, found)
            if edge_keys is None and "token_start" not in span:
                return _report_bad_record(record, context, key, spans, form)
            edges = [span.get(edge_key) for edge_key in edge_keys] if edge_keys else _token_edges(record.value, span)
            label, surface = span.get("label"), span.get("text")
        elif isinstance(span, list) and len(span) in (3, 4):
            edges, label, surface = span[:2], span[2], None
        else:
            return _report_bad_record(record, context, key, spans, form)
        mark = make_mark(record, context, text, edges, _label_name(record, context, label), surface)
        marks += [mark] if mark else []
    return marks


def read_grouped_spans(record: Record, context: Context, text: str, key: str) -> Optional[List[Mark]]:
    """Read the span groups of a spaCy doc, of which at most one may hold spans; see `read_listed_spans`."""
    groups: Dict[str, Any] = {name: spans for name, spans in record.value[key].items() if spans}
    if len(groups) > 1:
        form = "one group of spans, or entities under 'ents'"
        return _report_bad_record(record, context, key, record.value[key], form)
    spans: Any = next(iter(groups.values()), [])
    return read_listed_spans(Record(record.line, {key: spans}), context, text, key)


def _report_bad_record(record: Record, context: Context, key: str, found: object, form: str) -> Optional[List[Mark]]:
    """Report a record of another form. If this returns, the record is left out."""
    context.faults.mend(BAD_RECORD, record.line, f'"{key}": {quote(found)}', form=form)
    return None


def _token_edges(value: Dict[str, Any], span: Dict[str, Any]) -> List[object]:
    """Return start and end of a span that is given by tokens; None for an end that is not known."""
    tokens = value.get("tokens")
    edges: List[object] = []
    for key, edge in (("token_start", "start"), ("token_end", "end")):
        token_index = span.get(key)
        token = None
        if isinstance(tokens, list) and type(token_index) is int and 0 <= token_index < len(tokens):
            token = tokens[token_index]
        edges.append(token.get(edge) if isinstance(token, dict) else None)
    return edges


def _label_name(record: Record, context: Context, label: object) -> object:
    """Return the name of a label, also of one that doccano gives as a number."""
    if type(label) is not int:
        return label
    names = read_label_config(context.folder)
    if context.raw:
        return (names or {}).get(label, str(label))
    if label not in (names or {}):
        form = f'a file {LABEL_CONFIG} beside this one, as doccano exports it, [{{"id": 3, "text": "PER"}}, ...]'
        raise context.faults.error(LABEL_IDS, record.line, f"the label {quote(label)}, which has no name", form=form)
    return (names or {})[label]
