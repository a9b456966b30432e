"""More training data from the data there is."""

import random
from typing import Dict, List, Sequence

from spacy.tokens import Doc, Span

from ..annotations.domains import get_domain, get_language, set_domain, set_language


def replace_mentions(docs: Sequence[Doc], rate: float, rng: random.Random) -> List[Doc]:
    """Return docs in which entities have given way to others with the same label (Dai & Adel, 2020, section 3.1).

    docs (Sequence[Doc]): annotated docs; their entities are what others are replaced by.
    rate (float): the probability with which an entity is replaced, by a mention drawn from all those with its label.
    rng (random.Random): draws.
    RETURNS (List[Doc]): for each doc itself, where nothing was drawn, or a new one with the tokens, spaces, domain
        and entities that it has then; tokens without annotation stay without.
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


def with_mentions(doc: Doc, drawn: Dict[int, Span]) -> Doc:
    """Return a doc with some of its entities replaced.

    doc (Doc): the doc.
    drawn (Dict[int, Span]): what comes, by the first token of what goes; entities of the same type.
    RETURNS (Doc): with the spaces and the domain of the doc; tokens without annotation stay without.
    """
    words: List[str] = []
    spaces: List[bool] = []
    tags: List[str] = []
    ends = {ent.start: ent.end for ent in doc.ents}
    i = 0
    while i < len(doc):
        tokens = drawn.get(i, doc[i : ends.get(i, i + 1)])
        end = ends.get(i, i + 1)
        words += [token.text for token in tokens]
        spaces += [bool(token.whitespace_) for token in tokens[:-1]] + [bool(doc[end - 1].whitespace_)]
        if i in ends:
            tags += [f"B-{tokens[0].ent_type_}"] + [f"I-{tokens[0].ent_type_}"] * (len(tokens) - 1)
        else:
            tags.append("O" if doc[i].ent_iob else "")
        i = end
    made = Doc(doc.vocab, words=words, spaces=None if doc.has_unknown_spaces else spaces, ents=tags)
    set_domain(made, get_domain(doc))
    set_language(made, get_language(doc))
    return made
