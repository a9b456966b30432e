"""What is read from a record, whatever its form: a text with spans, or tokens with tags."""

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

    line (int): where its record is, see `Record`.
    text (str): the text.
    marks (Optional[List[Mark]]): its spans; None where the record holds no labels at all.
    tokens (Any): its tokens as the record has them, None for the tokenizer's.
    partial (bool): whether nobody has said what stands outside of the spans.
    key (object): what records of the same text have in common where each holds one answer.
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

    rows (TaggedSentence): the tokens with their tags, O where they have none.
    missing (FrozenSet[int]): tokens without a tag.
    """

    rows: TaggedSentence
    missing: FrozenSet[int] = frozenset()


Item = Union[TextItem, TagItem]


@dataclass
class Context:
    """The file that records are read from.

    faults (Faults): what is wrong is reported here.
    raw (Optional[bool]): whether the text alone is asked for; None where a file without labels is read so.
    forms (List[str]): the forms that were met, in order.
    """

    faults: Faults
    raw: Optional[bool] = False
    forms: List[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where files that belong to this one lie."""
        return self.faults.path.parent

    def met(self, form: str) -> None:
        """Remember that a record of a form was met."""
        if form not in self.forms:
            self.forms.append(form)


def make_mark(
    record: Record, context: Context, text: str, place: Sequence[object], label: object, surface: object = None
) -> Optional[Mark]:
    """Return a span, None for one that is left out.

    record (Record): its record.
    context (Context): the file.
    text (str): the text of the record.
    place (Sequence[object]): start and end as the record has them.
    label (object): the label as the record has it.
    surface (object): the words of the span as the record has them.
    RAISES (DataError): the place is no pair of whole numbers.
    """
    start, end = place
    # A bool is an int to Python, but no offset.
    if type(start) is not int or type(end) is not int:
        found = f"a span with the start {quote(start)} and the end {quote(end)}"
        context.faults.lose_span(OUT_OF_RANGE, record.line, found, length=len(text))
        return None
    words = surface if isinstance(surface, str) and surface.strip() else None
    return Mark(start, end, label if isinstance(label, str) else "", record.line, words)
