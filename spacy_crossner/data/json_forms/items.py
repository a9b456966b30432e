"""The two kinds of content of a record, in all forms: a text with spans, or tokens with tags."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, FrozenSet, List, Optional, Sequence, Union

from ..columns import TaggedSentence
from ..faults import OUT_OF_RANGE, Faults
from ..offsets import Mark
from .records import Record, quote

FORMS = (
    'Prodigy\'s "spans", doccano\'s "label", "entities" or "annotations", Label Studio\'s JSON and JSON-MIN, Hugging '
    'Face\'s "tokens" with "ner_tags", spaCy\'s ["text", {"entities": [[0, 3, "PER"]]}], "paragraphs" and "ents"'
)

WITHOUT_LABELS = "records without labels, read as text without an entity"


@dataclass
class TextItem:
    """A text and its spans.

    line (int): the position of its record, see `Record`.
    text (str): the text.
    marks (Optional[List[Mark]]): its spans; None if the record has no labels at all.
    tokens (Any): its tokens as they are in the record; None to use the tokenizer.
    partial (bool): whether tokens outside of the spans are not annotated.
    key (object): the same for all records of one text, if each record holds one answer.
    """

    line: int
    text: str
    marks: Optional[List[Mark]]
    tokens: Any = None
    partial: bool = False
    key: object = None


@dataclass
class TagItem:
    """Tokens and their tags.

    rows (TaggedSentence): the tokens with their tags, O for tokens without a tag.
    missing (FrozenSet[int]): tokens without a tag.
    """

    rows: TaggedSentence
    missing: FrozenSet[int] = frozenset()


Item = Union[TextItem, TagItem]


@dataclass
class Context:
    """The file that records are read from.

    faults (Faults): faults are reported here.
    raw (Optional[bool]): whether only the text is read; None: only if the file has no labels.
    forms (List[str]): the forms of the records, in the order of their first occurrence.
    """

    faults: Faults
    raw: Optional[bool] = False
    forms: List[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The folder for files that belong to this one."""
        return self.faults.path.parent

    def note_form(self, form: str) -> None:
        """Add the form of a record to `forms`."""
        if form not in self.forms:
            self.forms.append(form)


def make_mark(
    record: Record, context: Context, text: str, edges: Sequence[object], label: object, surface: object = None
) -> Optional[Mark]:
    """Return a span; None for a span that is left out.

    record (Record): its record.
    context (Context): the file.
    text (str): the text of the record.
    edges (Sequence[object]): start and end as they are in the record.
    label (object): the label as it is in the record.
    surface (object): the words of the span as they are in the record.
    RAISES (DataError): start or end is not an integer.
    """
    start, end = edges
    # `isinstance` would accept a bool.
    if type(start) is not int or type(end) is not int:
        found = f"a span with the start {quote(start)} and the end {quote(end)}"
        context.faults.drop_span(OUT_OF_RANGE, record.line, found, length=len(text))
        return None
    words = surface if isinstance(surface, str) and surface.strip() else None
    return Mark(start, end, label if isinstance(label, str) else "", record.line, words)
