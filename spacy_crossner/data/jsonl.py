"""JSON with entities, in the forms of common annotation tools; one object per line (JSONL), or one list.

    {"text": "Ada was here.", "spans": [{"start": 0, "end": 3, "label": "person"}]}

This is Prodigy's form; `json_forms` has the others. `tokens` (each with "start", "end" and optionally "text" and "ws",
whether a space follows) are taken as they are; without them the text is tokenized. A record with an "answer" other than
"accept" is left out and counted. A record with an empty list of spans is annotated as having no entity; so is a record
without labels in a file where other records have some. A file without any labels can be read only as raw text.
"""

from typing import Any, Iterable, Iterator, List, Optional, Tuple

from ..annotations.tags import TagSpan
from .alignment import CharSpan, Tokenize, TokenizedText, align_spans
from .columns import read_tags
from .faults import BAD_RECORD, NO_LABELS, Faults
from .files import Line
from .json_forms.detect import merge_answers, read_record
from .json_forms.items import FORMS, WITHOUT_LABELS, Context, Item, TagItem, TextItem
from .json_forms.records import read_records
from .offsets import MarkedText, resolve_offsets
from .schemes import Scheme, detect_scheme
from .sentences import Sentence

TOKENS_FORM = (
    '"tokens" as a list of objects with "start", "end" and perhaps "text" where text[start:end] is the token, '
    "one after the other"
)


def read_items(lines: Iterable[Line], context: Context) -> List[Item]:
    """Read the records of a JSON file: the first step, which needs no tokenizer.

    lines (Iterable[Line]): the numbered lines.
    context (Context): the file; faults and left-out records are reported in its faults.
    RETURNS (List[Item]): the sentences in order.
    RAISES (DataError): a record has no known form, or the file has no labels.
    """
    faults = context.faults
    items = [item for record in read_records(lines, faults) for item in read_record(record, context)]
    items = merge_answers(items, context)
    unlabelled = [item for item in items if isinstance(item, TextItem) and item.marks is None]
    if len(unlabelled) == len(items):
        if unlabelled and context.raw is False:
            raise faults.error(NO_LABELS, unlabelled[0].line, "only records without labels", forms=FORMS)
    elif unlabelled and not context.raw:
        faults.note(WITHOUT_LABELS, len(unlabelled))
        for item in unlabelled:
            item.marks = []
    return items


def read_sentences(items: Iterable[Item], scheme: Scheme, tokenize: Tokenize, faults: Faults) -> Iterator[Sentence]:
    """Make sentences of the items of a JSON file: the second step.

    items (Iterable[Item]): the items of a file.
    scheme (Scheme): the scheme of the tags, if the items have tags; not `auto`.
    tokenize (Tokenize): the tokenizer for texts without tokens.
    faults (Faults): faults are reported here.
    YIELDS (Sentence): the sentences.
    RAISES (DataError): a span or a tag is wrong.
    """
    items = list(items)
    texts = [item for item in items if isinstance(item, TextItem)]
    spans = iter(resolve_offsets([MarkedText(item.text, item.marks or [], faults) for item in texts], faults))
    for item in items:
        if isinstance(item, TagItem):
            yield _read_tags(item, scheme, faults)
        else:
            sentence = _read_text(item, next(spans), tokenize, faults)
            if sentence is not None:
                yield sentence


def read_jsonl(lines: Iterable[Line], tokenize: Tokenize, faults: Faults) -> Iterator[Sentence]:
    """Read a JSON file by itself; see `read_items` and `read_sentences`."""
    items = read_items(lines, Context(faults))
    scheme = detect_scheme(item.rows.tags for item in items if isinstance(item, TagItem))
    yield from read_sentences(items, scheme, tokenize, faults)


def _read_tags(item: TagItem, scheme: Scheme, faults: Faults) -> Sentence:
    """Return a sentence of tokens with tags, without annotation where no token has a tag."""
    sentence = read_tags(item.rows, scheme, faults)
    sentence.unannotated = tuple(sorted(item.missing))
    if len(item.missing) == len(sentence.words):
        sentence.spans, sentence.unannotated = None, ()
    return sentence


def _read_text(item: TextItem, spans: List[CharSpan], tokenize: Tokenize, faults: Faults) -> Optional[Sentence]:
    """Return the sentence of a text; None for a text that is left out."""
    text = TokenizedText.from_doc(tokenize(item.text), item.line) if item.tokens is None else read_own_tokens(item)
    if text is None:
        faults.mend(BAD_RECORD, item.line, '"tokens" that do not fit the text', form=TOKENS_FORM)
        return None
    if item.marks is None:
        return text.sentence(None)
    sentence = text.sentence(align_spans(text, spans, faults))
    if item.partial:
        sentence.unannotated = _outside(sentence.spans or [], len(text.words))
    return sentence


def _outside(spans: List[TagSpan], length: int) -> Tuple[int, ...]:
    """Return the tokens outside of spans."""
    inside = {i for start, end, _ in spans for i in range(start, end)}
    return tuple(i for i in range(length) if i not in inside)


def read_own_tokens(item: TextItem) -> Optional[TokenizedText]:
    """Return the text with the tokens of its record; None if they do not fit the text."""
    text = item.text
    tokenized = TokenizedText(text, item.line, [], [], [])
    end = 0
    for token in item.tokens if isinstance(item.tokens, list) else []:
        if not isinstance(token, dict):
            return None
        start, stop = token.get("start"), token.get("end")
        if type(start) is not int or type(stop) is not int or not end <= start < stop <= len(text):
            return None
        if token.get("text", text[start:stop]) != text[start:stop]:
            return None
        end = stop
        tokenized.words.append(text[start:stop])
        tokenized.offsets.append((start, stop))
        tokenized.spaces.append(_follows_blank(token, text, stop))
    return tokenized if tokenized.words and not _skipped_letters(tokenized) else None


def _follows_blank(token: Any, text: str, end: int) -> bool:
    """Return whether a space follows a token."""
    return bool(token.get("ws", text[end : end + 1] == " "))


def _skipped_letters(text: TokenizedText) -> bool:
    """Return whether the text has characters other than blanks outside its tokens."""
    end = 0
    for start, next_end in [*text.offsets, (len(text.text), 0)]:
        if text.text[end:start].strip():
            return True
        end = next_end
    return False
