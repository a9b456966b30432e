"""Folds: parts of the labelled sentences of about equal size, each with its share of every type."""

import random
from pathlib import Path
from typing import List, Sequence

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..data.docbin import read_docbin, write_docbin
from ..data.normal_form import sentence_key
from ..data.subsets import stratified_order
from ..errors import CrossnerError, Errors


def draw_folds(docs: Sequence[Doc], folds: int, seed: int) -> List[List[int]]:
    """Return the indices of the docs of each fold.

    The docs are dealt in the order of `stratified_order`, in which each type has its share of any first docs: each next
    few docs, one for each fold, at random. In turn, types that follow each other regularly would be in one fold.
    Copies of a sentence are in one fold: a model would else have seen what it is tested on.

    docs (Sequence[Doc]): the labelled docs.
    folds (int): number of folds, 2 or more.
    seed (int): the same seed gives the same folds.
    RAISES (CrossnerError): there are fewer different sentences than folds.
    """
    groups: dict[str, List[int]] = {}
    for i, doc in enumerate(docs):
        groups.setdefault(sentence_key(doc.text), []).append(i)
    members = list(groups.values())
    if len(members) < folds:
        raise CrossnerError(Errors.C671.format(count=len(members), folds=folds))
    types = [{ent.label_ for i in group for ent in docs[i].ents} for group in members]
    drawn: List[List[int]] = [[] for _ in range(folds)]
    order, rng = stratified_order(types, seed), random.Random(seed)
    for first in range(0, len(order), folds):
        turn = rng.sample(range(folds), folds)
        for fold, group in zip(turn, order[first : first + folds], strict=False):
            drawn[fold] += members[group]
    return [sorted(indices) for indices in drawn]


def write_folds(path: Path, folder: Path, folds: int, seed: int, limit: int = 0) -> List[Path]:
    """Write the training set and the held-out set of each fold.

    path (Path): the DocBin of all labelled sentences.
    folder (Path): the folder for `<i>/train.spacy` and `<i>/dev.spacy`, i from 1.
    folds (int), seed (int): see `draw_folds`.
    limit (int): number of sentences to use, drawn by the seed as by `DomainReader`; 0 for all.
    RETURNS (List[Path]): the folder of each fold.
    RAISES (CrossnerError): see `draw_folds`.
    """
    docs = read_docbin(path, Vocab())
    if limit:
        order = stratified_order([{ent.label_ for ent in doc.ents} for doc in docs], seed)
        docs = [docs[i] for i in sorted(order[:limit])]
    parts = draw_folds(docs, folds, seed)
    places = []
    for number, part in enumerate(parts, start=1):
        held_out = set(part)
        place = folder / str(number)
        place.mkdir(parents=True, exist_ok=True)
        write_docbin([doc for i, doc in enumerate(docs) if i not in held_out], place / "train.spacy")
        write_docbin([docs[i] for i in part], place / "dev.spacy")
        places.append(place)
    return places
