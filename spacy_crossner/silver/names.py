"""The names that weak labels come from: lists, a map of their types, and the entities of gold sentences."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..data.faults import Faults
from ..data.files import read_lines
from ..data.normal_form import name_key
from ..errors import CrossnerError, Errors
from ..text.entities import read_entities
from ..text.matching import NameFinder

# A type of a list -> a label; "" for a type that stays as it is.
TypeMap = Dict[str, str]


@dataclass
class WeakNames:
    """Distinct names with their types. A name gives labels if it has one type, and is neither common nor refuted.

    names (List[str]): the names, each as it was listed first.
    types (List[Set[str]]): the types of each name, after the map. Several types make a name ambiguous.
    finder (NameFinder): finds the names in docs, by their index.
    balance (NDArray): what the gold sentences say for each name: the number of its mentions that are an entity of its
        type there, minus the number of mentions that are no part of an entity; shape (n_names,).
    is_common (NDArray): which names are common words, see `WordCounter`; shape (n_names,).
    """

    names: List[str]
    types: List[Set[str]]
    finder: NameFinder
    balance: NDArray[np.int64] = field(init=False)
    is_common: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Begin without common words, and without gold sentences."""
        self.balance = np.zeros(len(self.names), dtype=np.int64)
        self.is_common = np.zeros(len(self.names), dtype=bool)

    def compare(self, gold: Sequence[Doc]) -> None:
        """Compare the names with gold sentences, see `balance`."""
        for doc, mentions in zip(gold, self.finder.find([[token.text for token in doc] for doc in gold]), strict=True):
            entities = {(ent.start, ent.end): ent.label_ for ent in doc.ents}
            for start, end, name in mentions:
                label = entities.get((start, end))
                if label is not None:
                    self.balance[name] += label in self.types[name]
                elif all(token.ent_iob_ == "O" for token in doc[start:end]):
                    self.balance[name] -= 1

    def set_common(self, is_common: NDArray[np.bool_]) -> None:
        """Set which names are common words. Names that the gold sentences confirm are not."""
        self.is_common = is_common & (self.balance <= 0)

    def type_of(self, name: int) -> Optional[str]:
        """Return the type of a name; None for a name that gives no labels."""
        types = self.types[name]
        gives_labels = len(types) == 1 and not self.is_common[name] and self.balance[name] >= 0
        return next(iter(types)) if gives_labels else None

    def known_types(self) -> List[str]:
        """Return all types, sorted."""
        return sorted(set().union(*self.types))


def read_weak_names(
    lists: Sequence[Path], type_map: Optional[Path], gold: Sequence[Doc], *, ignore_case: bool = False
) -> Optional[WeakNames]:
    """Read name lists, map their types, and add the entities of gold sentences.

    A name of the gold sentences has its gold types only: hand-made labels count more than a list. A name that begins or
    ends with a hyphen is a part of a word ("- shot"), and is ignored.

    lists (Sequence[Path]): the lists, see `read_entities`.
    type_map (Optional[Path]): see `read_type_map`. Without a map, all types stay as they are.
    gold (Sequence[Doc]): the gold sentences.
    ignore_case (bool): ignore case in names and text.
    RETURNS (Optional[WeakNames]): the names; None if there are none.
    RAISES (CrossnerError): a file cannot be read, a list has no types, or the map lacks a type.
    """
    mapping = read_type_map(type_map) if type_map else None
    names: List[str] = []
    types: List[str] = []
    for path in lists:
        entities = read_entities(path)
        if entities.types is None:
            raise CrossnerError(Errors.C601.format(path=path))
        for kind in entities.known_types():
            if type_map and mapping is not None and kind not in mapping:
                raise CrossnerError(Errors.C603.format(path=type_map, type=kind, names=path))
        names += entities.names
        types += [mapping[kind] or kind for kind in entities.types] if mapping is not None else entities.types
    whole = [not (name.startswith("-") or name.endswith("-")) for name in names]
    names, types = list(compress(names, whole)), list(compress(types, whole))
    n_listed = len(names)
    for doc in gold:
        for ent in doc.ents:
            if key := name_key(ent.text):
                names.append(key)
                types.append(ent.label_)
    if not names:
        return None
    finder = NameFinder(names, ignore_case=ignore_case)
    n_names = max(finder.number_of) + 1
    listed: List[Set[str]] = [set() for _ in range(n_names)]
    marked: List[Set[str]] = [set() for _ in range(n_names)]
    shown = [""] * n_names
    for i, (number, name, kind) in enumerate(zip(finder.number_of, names, types, strict=True)):
        shown[number] = shown[number] or name
        (listed if i < n_listed else marked)[number].add(kind)
    weak = WeakNames(shown, [gold_types or kinds for kinds, gold_types in zip(listed, marked, strict=True)], finder)
    weak.compare(gold)
    return weak


def read_type_map(path: Path) -> TypeMap:
    """Read a map from the types of lists to labels: `type<TAB>label` on each line.

    A line with an empty label, `type<TAB>`, keeps the type as it is. Blank lines are skipped.

    path (Path): the file.
    RAISES (CrossnerError): the file cannot be read; a line has another form, or repeats a type.
    """
    mapping: TypeMap = {}
    for number, line in read_lines(Faults(Path(path))):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        found = ""
        if len(cells) != 2:
            found = f"{line.strip()!r:.60} with {len(cells) - 1} tabs"
        elif not cells[0]:
            found = "an empty type"
        elif cells[0] in mapping:
            found = f"the type '{cells[0]}' for the second time"
        if found:
            raise CrossnerError(Errors.C602.format(path=path, line=number, found=found))
        mapping[cells[0]] = cells[1]
    return mapping


def count_types(gold: Sequence[Doc]) -> "Counter[str]":
    """Count the entities of gold sentences by type."""
    return Counter(ent.label_ for doc in gold for ent in doc.ents)
