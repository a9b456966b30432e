"""Augmentation: new training docs from the entities of given ones."""

import random
from typing import Dict, List, Sequence

from spacy.tokens import Doc, Span

from ..annotations.domains import get_domain, get_language, set_domain, set_language


def replace_mentions(docs: Sequence[Doc], rate: float, rng: random.Random) -> List[Doc]:
    """Return docs in which entities are replaced by others with the same label (Dai & Adel, 2020, section 3.1).

    docs (Sequence[Doc]): annotated docs; replacements are drawn from their entities.
    rate (float): the probability that an entity is replaced, by a mention drawn from all mentions with its label.
    rng (random.Random): the random numbers.
    RETURNS (List[Doc]): a doc for each doc: the same object if nothing is replaced, or else a new doc with the new
        tokens and entities and the same domain. Tokens without annotation stay without annotation.
    """
    mentions: Dict[str, List[Span]] = {}
    for doc in docs:
        for ent in doc.ents:
            mentions.setdefault(ent.label_, []).append(ent)
    augmented = []
    for doc in docs:
        drawn = {ent.start: rng.choice(mentions[ent.label_]) for ent in doc.ents if rng.random() < rate}
        augmented.append(with_mentions(doc, drawn) if drawn else doc)
    return augmented


def with_mentions(doc: Doc, replacements: Dict[int, Span]) -> Doc:
    """Return a doc with some of its entities replaced.

    doc (Doc): the doc.
    replacements (Dict[int, Span]): the new mention by the first token of the entity that it replaces, which has the
        same type.
    RETURNS (Doc): a new doc with the spaces and the domain of the doc. Tokens without annotation stay without
        annotation.
    """
    words: List[str] = []
    spaces: List[bool] = []
    tags: List[str] = []
    ends = {ent.start: ent.end for ent in doc.ents}
    i = 0
    while i < len(doc):
        tokens = replacements.get(i, doc[i : ends.get(i, i + 1)])
        end = ends.get(i, i + 1)
        words += [token.text for token in tokens]
        spaces += [bool(token.whitespace_) for token in tokens[:-1]] + [bool(doc[end - 1].whitespace_)]
        if i in ends:
            tags += [f"B-{tokens[0].ent_type_}"] + [f"I-{tokens[0].ent_type_}"] * (len(tokens) - 1)
        else:
            tags.append("O" if doc[i].ent_iob else "")
        i = end
    changed = Doc(doc.vocab, words=words, spaces=None if doc.has_unknown_spaces else spaces, ents=tags)
    set_domain(changed, get_domain(doc))
    set_language(changed, get_language(doc))
    return changed
