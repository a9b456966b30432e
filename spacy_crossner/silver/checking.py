"""How good weak labels are: gold sentences, labelled in the same way, beside their gold labels."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Dict, Sequence

from spacy.tokens import Doc
from wasabi import table

from ..annotations.domains import without_annotation
from ..annotations.words import docs_of_words
from .labeller import Labeller, Tally

COLUMNS = ("labelled", "right", "other_type", "gold", "outside", "open")


@dataclass
class TypeCheck:
    """Counts of one type.

    labelled (int): number of weak entities of the type.
    right (int): those that are gold entities of the type.
    other_type (int): those that are gold entities of another type. The remaining ones have the span of no gold entity.
    gold (int): number of gold entities of the type.
    outside (int): gold entities of the type with a token that has the label O.
    open (int): gold entities of the type whose tokens all have no label.
    """

    labelled: int = 0
    right: int = 0
    other_type: int = 0
    gold: int = 0
    outside: int = 0
    open: int = 0


Check = Dict[str, TypeCheck]


def check_labels(labeller: Labeller, gold: Sequence[Doc]) -> Check:
    """Label gold sentences in the same way as raw text, and compare the labels by type.

    labeller (Labeller): labels the sentences. It has counted the words of the raw text before.
    gold (Sequence[Doc]): the gold sentences. Blank tokens do not count.
    RETURNS (Check): the counts of each type that a weak or a gold entity has, in alphabetical order.
    """
    counts: Check = defaultdict(TypeCheck)
    gold = docs_of_words(gold)
    docs = [without_annotation(doc, labeller.vocab) for doc in gold]
    for doc, (annotation, _) in zip(gold, labeller.annotations(docs, Tally()), strict=True):
        entities = {(ent.start, ent.end): ent.label_ for ent in doc.ents}
        inside = {i for start, end, _ in annotation.spans for i in range(start, end)}
        for start, end, label in annotation.spans:
            counts[label].labelled += 1
            counts[label].right += entities.get((start, end)) == label
            counts[label].other_type += entities.get((start, end), label) != label
        for (start, end), label in entities.items():
            counts[label].gold += 1
            counts[label].outside += bool(annotation.outside[start:end].any())
            counts[label].open += not any(annotation.outside[i] or i in inside for i in range(start, end))
    return dict(sorted(counts.items()))


def check_to_json(check: Check) -> Dict[str, Any]:
    """Return the counts as JSON."""
    return {kind: asdict(of_type) for kind, of_type in check.items()}


def check_table(check: Check) -> str:
    """Return the counts as a table, with their sums."""
    rows = [(kind, *(getattr(of_type, name) for name in COLUMNS)) for kind, of_type in check.items()]
    sums = ("all", *(sum(row[i] for row in rows) for i in range(1, len(COLUMNS) + 1)))
    header = ("type", "labelled", "right", "other type", "in gold", "labelled O", "open")
    return str(table([*rows, sums], header=header, divider=True, aligns=("l", *"r" * len(COLUMNS))))
