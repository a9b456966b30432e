"""Rows of a corpus: a text, and what is kept with it. A row becomes a doc, and an annotated doc becomes a record."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations.domains import set_domain, set_language
from ..annotations.scores import get_score
from ..data.tokenizing import bounded
from ..errors import CrossnerError, Errors

# The fields of a record that are ours. A field of the input with such a name is kept under another name.
TEXT, ENTITIES, ERROR = "text", "entities", "error"
RENAMED = "input_"
# The key in `Doc.user_data` for the kept fields of a row. Its error is under `error`.
FIELDS = "fields"


@dataclass
class Row:
    """A text to annotate.

    text (str): the text; "" if it cannot be read.
    place (str): file and line, for errors.
    fields (Dict[str, Any]): other fields of the input, which are kept.
    words (Optional[List[str]]): the tokens, if the input has any. Otherwise the pipeline's tokenizer makes them.
    spaces (Optional[List[bool]]): whether a blank follows each token; None if it is not known.
    domain (Optional[str]): the domain mark of the input.
    lang (Optional[str]): the language mark of the input.
    error (str): why the text cannot be annotated; "" if it can be.
    """

    text: str
    place: str = ""
    fields: Dict[str, Any] = field(default_factory=dict)
    words: Optional[List[str]] = None
    spaces: Optional[List[bool]] = None
    domain: Optional[str] = None
    lang: Optional[str] = None
    error: str = ""


def make_doc(nlp: Language, row: Row) -> Doc:
    """Return the doc of a row, without annotation.

    RAISES (CrossnerError): the text is longer than the pipeline takes.
    """
    if row.words is None:
        if len(row.text) > nlp.max_length:
            raise CrossnerError(Errors.C634.format(place=row.place, length=len(row.text), most=nlp.max_length))
        doc = bounded(nlp.tokenizer)(row.text)
    else:
        doc = Doc(nlp.vocab, words=row.words, spaces=row.spaces)
    set_domain(doc, row.domain)
    set_language(doc, row.lang or nlp.lang)
    return doc


def make_record(row: Row, doc: Optional[Doc]) -> Dict[str, Any]:
    """Return a row as JSON: the kept fields, `text`, `entities`, and `error` for a row that has one.

    row (Row): the row.
    doc (Optional[Doc]): its doc; None for a row with an error.
    RETURNS (Dict[str, Any]): an entity has `start` and `end` in characters, `label`, `text`, and `score` if a component
        has set one.
    """
    record = kept_fields(row)
    record[TEXT] = row.text
    record[ENTITIES] = [_entity(ent, get_score(ent)) for ent in doc.ents] if doc is not None else []
    if row.error:
        record[ERROR] = row.error
    return record


def kept_fields(row: Row) -> Dict[str, Any]:
    """Return the kept fields of a row. A name of our own gets the prefix `input_`, until it is free."""
    fields = {name: value for name, value in row.fields.items() if name not in (TEXT, ENTITIES, ERROR)}
    for name in (TEXT, ENTITIES, ERROR):
        if name in row.fields:
            new_name = RENAMED + name
            while new_name in fields:
                new_name = RENAMED + new_name
            fields[new_name] = row.fields[name]
    return fields


def _entity(ent: Any, score: Optional[float]) -> Dict[str, Any]:
    entity = {"start": ent.start_char, "end": ent.end_char, "label": ent.label_, "text": ent.text}
    return entity if score is None else {**entity, "score": score}
