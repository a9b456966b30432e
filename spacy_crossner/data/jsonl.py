"""JSONL with character spans, the form of Prodigy: one object a line.

    {"text": "Ada was here.", "spans": [{"start": 0, "end": 3, "label": "person"}]}

`tokens` (each with "text", "start", "end" and perhaps "ws", whether a blank follows) are taken as they are; without
them the text is tokenised. A record with an "answer" other than "accept" is left out and counted. A record without
"spans" is a sentence in which a person found no entity; for
text that nobody looked at there is the reading without annotation, `raw`.
"""

import json
from typing import Any, Dict, Iterable, Iterator, List, Optional

from .alignment import CharSpan, Text, Tokenize, align_spans
from .faults import BAD_JSON, BAD_RECORD, NO_TEXT, OUT_OF_RANGE, Faults
from .files import Line
from .sentences import Sentence

TOKENS_FORM = (
    '"tokens" as a list of objects with "text", "start" and "end" where text[start:end] is the token, '
    "one after the other"
)
# Where other tools keep entities: without "spans" such a record would pass for one without an entity.
OTHER_FORMS = ("entities", "label", "labels")
SPANS_FORM = '"spans" as a list of objects with "start", "end" and "label"'


def read_jsonl(lines: Iterable[Line], tokenize: Tokenize, faults: Faults) -> Iterator[Sentence]:
    """Read a JSONL file.

    lines (Iterable[Line]): the numbered lines; blank ones are skipped.
    tokenize (Tokenize): the tokenizer for records without "tokens".
    faults (Faults): what is wrong, and what is left out, is reported here.
    YIELDS (Sentence): the sentences, their blanks known.
    RAISES (DataError): a line is no JSON object of the form above, or a span is wrong.
    """
    for number, line in lines:
        record = _read_record(number, line, faults) if line.strip() else None
        if record is None:
            continue
        text = _read_text(number, record, tokenize, faults)
        spans = _read_spans(number, record, faults)
        if text is not None and spans is not None:
            yield text.sentence(align_spans(text, spans, faults))


def _read_record(number: int, line: str, faults: Faults) -> Optional[Dict[str, Any]]:
    """Return the record of a line, None for one that is left out."""
    try:
        record = json.loads(line)
        if "\\u" in line:
            json.dumps(record, ensure_ascii=False).encode()  # a lone half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        faults.mend(BAD_JSON, number, f"text that is no JSON ({error})")
        return None
    if not isinstance(record, dict):
        faults.mend(BAD_JSON, number, f"a JSON {type(record).__name__}")
        return None
    answer = record.get("answer")
    if answer not in (None, "accept"):
        faults.note(f"records left out for their answer, {answer!r}")
        return None
    return record


def _read_text(number: int, record: Dict[str, Any], tokenize: Tokenize, faults: Faults) -> Optional[Text]:
    """Return the text of a record with its tokens, None for a record that is left out."""
    text = record.get("text")
    if not isinstance(text, str) or not text.strip():
        faults.mend(NO_TEXT, number, 'no "text"' if text is None else f'"text": {text!r:.60}')
        return None
    if record.get("tokens") is None:
        return Text.from_doc(tokenize(text), number)
    read = _read_tokens(number, text, record["tokens"])
    if read is None:
        faults.mend(BAD_RECORD, number, '"tokens" that do not fit the text', form=TOKENS_FORM)
    return read


def _read_spans(number: int, record: Dict[str, Any], faults: Faults) -> Optional[List[CharSpan]]:
    """Return the spans of a record, None for a record that is left out."""
    if "spans" not in record:
        others = [key for key in OTHER_FORMS if key in record]
        if others:
            faults.mend(BAD_RECORD, number, f'"{others[0]}" and no "spans"', form=SPANS_FORM)
            return None
        faults.note('records without "spans", read as text without an entity')
    spans = record.get("spans") or []
    if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
        faults.mend(BAD_RECORD, number, f'"spans": {spans!r:.60}', form=SPANS_FORM)
        return None
    read: List[CharSpan] = []
    for span in spans:
        start, end, label = span.get("start"), span.get("end"), span.get("label")
        # A bool is an int to Python, but no offset.
        if type(start) is int and type(end) is int:
            read.append((start, end, label if isinstance(label, str) else ""))
        else:
            found = f"a span with the start {start!r} and the end {end!r}"
            faults.mend(OUT_OF_RANGE, number, found, length=len(str(record.get("text"))))
    return read


def _read_tokens(number: int, text: str, tokens: object) -> Optional[Text]:
    """Return the text with the tokens of its record, None where they do not fit it."""
    read = Text(text, number, [], [], [])
    end = 0
    for token in tokens if isinstance(tokens, list) else []:
        if not isinstance(token, dict):
            return None
        word, start = token.get("text"), token.get("start")
        if not isinstance(word, str) or not word or type(start) is not int or start < end:
            return None
        if token.get("end") != start + len(word) or text[start : start + len(word)] != word:
            return None
        end = start + len(word)
        read.words.append(word)
        read.offsets.append((start, end))
        read.spaces.append(bool(token.get("ws", text[end : end + 1] == " ")))
    return read if read.words and not _skipped_letters(read) else None


def _skipped_letters(text: Text) -> bool:
    """Say whether a part of the text other than blanks lies outside its tokens."""
    end = 0
    for start, next_end in [*text.offsets, (len(text.text), 0)]:
        if text.text[end:start].strip():
            return True
        end = next_end
    return False
