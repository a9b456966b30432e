"""Counts of annotated rows."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, Sequence

from spacy.attrs import IS_SPACE

from .annotate import Annotated


@dataclass
class Counts:
    """Counts of a block or of a corpus.

    texts (int): rows.
    words (int): tokens except blank ones.
    entities (Counter[str]): entities by label.
    errors (int): rows with an error.
    first_error (str): the first of them.
    first_block (int): the block with this error.
    """

    texts: int = 0
    words: int = 0
    entities: "Counter[str]" = field(default_factory=Counter)
    errors: int = 0
    first_error: str = ""
    first_block: int = 0

    def add(self, other: "Counts", block: int) -> None:
        """Add the counts of a block. Blocks may come in any order.

        other (Counts): the counts.
        block (int): the number of the block.
        """
        if other.first_error and (not self.first_error or block < self.first_block):
            self.first_error, self.first_block = other.first_error, block
        self.texts += other.texts
        self.words += other.words
        self.entities.update(other.entities)
        self.errors += other.errors

    def to_dict(self) -> Dict[str, Any]:
        """Return the counts as JSON, without `first_block`."""
        counts = asdict(self)
        del counts["first_block"]
        return {**counts, "entities": dict(sorted(self.entities.items()))}

    @classmethod
    def from_dict(cls, stored: Dict[str, Any]) -> "Counts":
        """Return the counts of `to_dict`."""
        return cls(**{**stored, "entities": Counter(stored["entities"])})


def count_rows(annotated: Sequence[Annotated]) -> Counts:
    """Return the counts of annotated rows."""
    counts = Counts(texts=len(annotated))
    for row, doc in annotated:
        if row.error:
            counts.errors += 1
            counts.first_error = counts.first_error or row.error
        elif doc is not None:
            counts.words += len(doc) - int(doc.to_array(IS_SPACE).sum())
            counts.entities.update(ent.label_ for ent in doc.ents)
    return counts
