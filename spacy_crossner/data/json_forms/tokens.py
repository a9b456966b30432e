"""Tokens with tags: Hugging Face's lists, and the training data of spaCy 2."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

from ...annotations.tags import OUTSIDE
from ..characters import CLEANED, clean_label
from ..columns import TaggedSentence
from ..faults import BAD_RECORD, LABEL_IDS, UNKNOWN_FORM, Faults
from .items import FORMS, Context, TagItem
from .label_names import DATASET_INFO, find_tag_names
from .records import Record, quote

WORD_KEYS = ("tokens", "words")

TAG_KEYS = ("ner_tags", "tags", "labels", "ner", "label", "ner_labels")

# Tags of a token without annotation in Hugging Face's `transformers`, and in spaCy.
IGNORED = -100
MISSING = "-"

TAGS_FORM = '"{words}" as a list of words, and "{tags}" as a list of as many tags, by name or by number'
PARAGRAPHS_FORM = '"paragraphs" with "sentences" of "tokens", each with a word, "orth", and a BILUO tag, "ner"'


def find_words(value: Dict[str, Any]) -> Optional[str]:
    """Return the key of a record's list of words; None if it has a text or no words."""
    if isinstance(value.get("text"), str) and _find_tags(value) is None:
        return None
    for key in WORD_KEYS:
        words = value.get(key)
        if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
            return key
    return None


def _find_tags(value: Dict[str, Any]) -> Optional[str]:
    """Return the key of a record's list of tags; None if it has none."""
    for key in TAG_KEYS:
        tags = value.get(key)
        if isinstance(tags, list) and all(isinstance(tag, (str, int)) for tag in tags):
            return key
    return None


def read_tokens(record: Record, context: Context, words_key: str) -> List[TagItem]:
    """Read a record of Hugging Face's form: words, and tags by name or by number.

    record (Record): the record.
    context (Context): the file.
    words_key (str): the key of the words.
    RETURNS (List[TagItem]): the sentence; empty for a record that is left out.
    RAISES (DataError): tags are missing, there are more or fewer than words, or they are numbers without names.
    """
    words = record.value[words_key]
    key = _find_tags(record.value)
    context.note_form("Hugging Face tokens")
    if key is None and not context.raw:
        keys = ", ".join(map(quote, record.value))
        found = f"the words of '{words_key}' and no tags under a known key (keys: {keys})"
        raise context.faults.error(UNKNOWN_FORM, record.line, found, forms=f"{FORMS}; tags as {', '.join(TAG_KEYS)}")
    tags = record.value[key] if key else [IGNORED] * len(words)
    form = TAGS_FORM.format(words=words_key, tags=key)
    if len(tags) != len(words):
        context.faults.mend(BAD_RECORD, record.line, f"{len(words)} words and {len(tags)} tags", form=form)
        return []
    named = _name_tags(record, context, key or "", tags)
    if named is None:
        context.faults.mend(BAD_RECORD, record.line, f"the tags {quote(tags)}", form=form)
        return []
    return _make_item(record.line, words, named, context.faults)


def _name_tags(record: Record, context: Context, key: str, tags: Sequence[Any]) -> Optional[List[Optional[str]]]:
    """Return the names of tags, None for a token without annotation; None for tags of another type."""
    if all(isinstance(tag, str) for tag in tags):
        return list(tags)
    if not all(type(tag) is int for tag in tags):
        return None
    if all(tag == IGNORED for tag in tags):
        return [None] * len(tags)
    names = find_tag_names(record, key, context.folder)
    unknown = [tag for tag in tags if tag != IGNORED and tag not in (names or {})]
    if unknown and context.raw:
        return [None] * len(tags)
    if unknown:
        form = (
            f'a list "label_names", or an object "id2label", in the record, or a {DATASET_INFO[0]} beside the file, '
            f'with {{"features": {{"{key}": {{"feature": {{"names": ["O", "B-PER", ...]}}}}}}}}'
        )
        found = f"the number {quote(unknown[0])} under '{key}', which has no name"
        raise context.faults.error(LABEL_IDS, record.line, found, form=form)
    return [None if tag == IGNORED else (names or {})[tag] for tag in tags]


def read_paragraphs(record: Record, context: Context) -> List[TagItem]:
    """Read the training data of spaCy 2: each sentence of its paragraphs.

    record (Record): the record.
    context (Context): the file.
    RETURNS (List[TagItem]): the sentences; tokens tagged "-" are without annotation.
    RAISES (DataError): a part is of another form.
    """
    context.note_form("spaCy 2 training data")
    items: List[TagItem] = []
    try:
        for paragraph in record.value["paragraphs"]:
            for sentence in paragraph["sentences"]:
                rows = [_read_row(token) for token in sentence["tokens"]]
                tags = [None if tag == MISSING else tag for _, tag in rows]
                items += _make_item(record.line, [word for word, _ in rows], tags, context.faults)
    except (KeyError, TypeError):
        context.faults.mend(BAD_RECORD, record.line, quote(record.value), form=PARAGRAPHS_FORM)
        return []
    return items


def _read_row(token: Dict[str, Any]) -> Tuple[str, str]:
    """Return a token's word and tag.

    RAISES (TypeError): word or tag is no text.
    """
    word, tag = token["orth"], token.get("ner", MISSING)
    if not isinstance(word, str) or not isinstance(tag, str):
        raise TypeError
    return word, tag


def _make_item(line: int, words: Sequence[str], tags: Sequence[Optional[str]], faults: Faults) -> List[TagItem]:
    """Return a list with the sentence; empty for one without words, or one that is left out."""
    if not all(words):
        faults.mend(BAD_RECORD, line, "an empty token", form="a word as each token")
        return []
    cleaned = [clean_label(tag or OUTSIDE) for tag in tags]
    if cleaned != [tag or OUTSIDE for tag in tags]:
        faults.note(CLEANED)
    rows = TaggedSentence(list(words), cleaned, [line] * len(words))
    return [TagItem(rows, frozenset(i for i, tag in enumerate(tags) if tag is None))] if words else []
