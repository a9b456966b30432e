"""From the mentions of names and the probabilities of teachers to the annotation of a sentence.

An annotation is a set of entities, and for each other token either O or nothing. The tokens without annotation are
"open": they give no gradient in training.
"""

from enum import StrEnum
from typing import Any, Collection, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import ENT_IOB, ENT_TYPE
from spacy.tokens import Doc, Token

from ..annotations.tags import TagSpan
from ..core.alignment import IOB_BEGIN, IOB_INSIDE, IOB_OUTSIDE
from ..data.normal_form import name_key


class Outside(StrEnum):
    """The annotation of a token outside of mentions and of sure entities.

    `outside`: O. With teachers, only where O is their most probable tag.
    `lowercase`: the same, but none for words with a capital letter, except stop words: they may be names that no list
        has.
    `unknown`: none.
    `teachers`: O where the teachers are sure of it, otherwise none.
    """

    outside = "outside"
    lowercase = "lowercase"
    unknown = "unknown"
    teachers = "teachers"


class Weak(NamedTuple):
    """The mentions of names in a sentence.

    spans (List[TagSpan]): mentions with a label.
    open (List[Tuple[int, int]]): start and end of mentions without one: ambiguous names, common words and the like.
    """

    spans: List[TagSpan]
    open: List[Tuple[int, int]]


class Sure(NamedTuple):
    """What the teachers say about a sentence.

    spans (List[TagSpan]): the entities that they are sure of.
    outside (NDArray): where they are sure of O, bool, shape (n_tokens,).
    probably_outside (NDArray): where O is their most probable tag, bool, shape (n_tokens,).
    """

    spans: List[TagSpan]
    outside: NDArray[np.bool_]
    probably_outside: NDArray[np.bool_]


class Annotation(NamedTuple):
    """The annotation of a sentence: its entities, in order, and the tokens with the tag O, bool, shape (n_tokens,)."""

    spans: List[TagSpan]
    outside: NDArray[np.bool_]

    def share(self) -> float:
        """Return the share of the tokens that have an annotation."""
        n_inside = sum(end - start for start, end, _ in self.spans)
        return (n_inside + int(self.outside.sum())) / max(1, len(self.outside))


def find_sure(probabilities: NDArray[np.float64], labels: Sequence[str], sure: float, sure_outside: float) -> Sure:
    """Return what is sure by the probabilities of the tags.

    An entity is sure if each of its tags has the probability `sure`, and if it ends with that probability: the tag that
    would go on has at most 1 - `sure`.

    probabilities (NDArray): shape (n_tokens, n_tags); the tags are those of `label_tags(labels)`.
    labels (Sequence[str]): the labels.
    sure (float): the least probability of a tag of an entity. Above 0.5, so that only one tag can be sure.
    sure_outside (float): the least probability of O.
    """
    n_tokens = len(probabilities)
    best = probabilities.argmax(axis=1)
    tags = np.where(probabilities.max(axis=1, initial=0) >= sure, best, -1).tolist()
    spans: List[TagSpan] = []
    for start, tag in enumerate(tags):
        if tag > 0 and tag % 2:
            end = start + 1
            while end < n_tokens and tags[end] == tag + 1:
                end += 1
            if end == n_tokens or probabilities[end, tag + 1] <= 1 - sure:
                spans.append((start, end, labels[tag // 2]))
    return Sure(spans, probabilities[:, 0] >= sure_outside, best == 0)


def may_be_name(token: Token) -> bool:
    """Return whether a word may be a name by its form: it has a capital letter and is no stop word."""
    return token.text != token.lower_ and not token.is_stop


def annotate(
    n_tokens: int, weak: Weak, sure: Optional[Sure], labels: Collection[str], outside: Outside
) -> Tuple[Annotation, int]:
    """Combine the mentions of names with what the teachers are sure of.

    A mention stays where the teachers are not sure, or sure of the same entity. Where they are sure of O at one of its
    tokens, it is dropped, and its other tokens are open. Where they are sure of another entity, both are dropped. If
    the teachers do not know the type of the mention, their entity is taken, and their O says nothing about it: it means
    none of their types. In an ambiguous name or a common word, only the teachers' entities and sure Os count.

    n_tokens (int): number of tokens.
    weak (Weak): the mentions.
    sure (Optional[Sure]): the teachers' view; None without teachers.
    labels (Collection[str]): the labels of the teachers.
    outside (Outside): see there. The words that `lowercase` leaves open are up to the caller, see `may_be_name`.
    RETURNS (Tuple[Annotation, int]): the annotation, and the number of mentions that the teachers contradict.
    """
    guesses = outside in (Outside.outside, Outside.lowercase)
    is_outside = np.full(n_tokens, guesses)
    if sure is not None and outside is not Outside.unknown:
        is_outside = (sure.probably_outside if guesses else sure.outside).copy()
    for start, end in weak.open:
        is_outside[start:end] &= False if sure is None else sure.outside[start:end]
    kept: List[TagSpan] = []
    contradicted: List[TagSpan] = []
    refused: List[TagSpan] = []
    for mention in weak.spans:
        start, end, label = mention
        others = [
            span for span in (sure.spans if sure else []) if span[0] < end and start < span[1] and span != mention
        ]
        refuted = sure is not None and label in labels and bool(sure.outside[start:end].any())
        if others or refuted:
            contradicted.append(mention)
            refused += others if label in labels else []
        else:
            kept.append(mention)
    spans = sorted({*kept, *(sure.spans if sure else [])} - set(refused))
    for start, end, _ in [*contradicted, *refused]:
        is_outside[start:end] &= False if sure is None else sure.outside[start:end]
    for start, end, _ in spans:
        is_outside[start:end] = False
    return Annotation(spans, is_outside), len(contradicted)


def is_fragment(words: Sequence[str], start: int, end: int) -> bool:
    """Return whether a span may be a part of a word, or no word at all. Such a span gets no annotation.

    It may be a part if a hyphen or dash is the token before or after it: the tokenizer makes three tokens of
    "self-critical". It is no word if it has neither a letter nor a digit.
    """
    beside_hyphen = any(0 <= i < len(words) and name_key(words[i]) == "-" for i in (start - 1, end))
    return beside_hyphen or not any(map(str.isalnum, "".join(words[start:end])))


def set_annotation(doc: Doc, annotation: Annotation) -> None:
    """Set the entities of a doc, the tag O, and no annotation at all other tokens."""
    values = np.zeros((len(doc), 2), dtype=np.uint64)
    values[annotation.outside, 0] = IOB_OUTSIDE
    for start, end, label in annotation.spans:
        values[start:end] = IOB_INSIDE, doc.vocab.strings.add(label)
        values[start, 0] = IOB_BEGIN
    if len(doc):
        doc.from_array([ENT_IOB, ENT_TYPE], cast(Any, values))
