"""Names with their types, for a layer that looks up the words of docs in lists."""

from itertools import chain
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from numpy.typing import NDArray

from ..errors import CrossnerError, Errors
from .entities import read_entities
from .matching import NameFinder


class TypedNames:
    """Names with their types, and their mentions in docs. It is never changed, so a copy is the same object.

    names (Sequence[str]): the names in their normal form, at least one. A name with several types occurs several times.
    type_of (Sequence[int]): the index of the type of each name in `types`.
    types (Sequence[str]): the types.
    ignore_case (bool): ignore case in names and text.
    """

    def __init__(
        self, names: Sequence[str], type_of: Sequence[int], types: Sequence[str], *, ignore_case: bool = False
    ) -> None:
        self.names = list(names)
        self.type_of = list(type_of)
        self.types = list(types)
        self.finder = NameFinder(self.names, ignore_case=ignore_case)
        # The types of the distinct names in order, as `find` numbers them: number, type; shape (n_pairs, 2).
        pairs = np.unique(np.column_stack([self.finder.number_of, self.type_of]), axis=0)
        self.counts = np.bincount(pairs[:, 0])
        self.starts = np.cumsum(self.counts) - self.counts
        self.types_in_order = pairs[:, 1]

    def __deepcopy__(self, memo: Dict[int, Any]) -> "TypedNames":
        """Return the names themselves."""
        return self

    def __reduce__(self) -> Tuple[Any, ...]:
        """Return what unpickling makes the names from: the automaton cannot be pickled."""
        return _make_names, (self.names, self.type_of, self.types, self.finder.codes.ignore_case)

    def find(self, docs: Sequence[Sequence[str]]) -> NDArray[np.int64]:
        """Return the mentions in docs, in order: the longest matches on whole words, which do not overlap.

        docs (Sequence[Sequence[str]]): the words of each doc.
        RETURNS (NDArray): the first word of each mention and its end (exclusive), counted over all docs, and the number
            of the name; shape (n_mentions, 3).
        """
        found, start = [], 0
        for doc, mentions in zip(docs, self.finder.find(docs), strict=True):
            found += [(start + first, start + end, name) for first, end, name in mentions]
            start += len(doc)
        return np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)


def _make_names(names: List[str], type_of: List[int], types: List[str], ignore_case: bool) -> TypedNames:
    return TypedNames(names, type_of, types, ignore_case=ignore_case)


def read_typed_names(lists: Sequence[str], *, ignore_case: bool = False) -> TypedNames:
    """Read name lists with types.

    lists (Sequence[str]): the files, at least one; see `read_entities`.
    ignore_case (bool): ignore case in names and text.
    RAISES (CrossnerError): a list cannot be read, has no names or no types.
    """
    names: List[str] = []
    types: List[str] = []
    for path in lists:
        entities = read_entities(Path(path))
        if entities.types is None:
            raise CrossnerError(Errors.C601.format(path=path))
        names += entities.names
        types += entities.types
    known = sorted(set(types))
    number = {kind: i for i, kind in enumerate(known)}
    return TypedNames(names, [number[kind] for kind in types], known, ignore_case=ignore_case)
