"""The words of a doc: what encoders and heads see of it, in training as in prediction.

spaCy makes tokens of blanks (line breaks, the second of two blanks) of running text. Columns and markup hold none, so
that a component learns nothing of them, and where they stand between words says nothing of the words.
"""

from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, cast

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import DEP, IS_SPACE, LEMMA, MORPH, NORM, POS, SENT_START, SPACY, TAG
from spacy.tokens import Doc, Span

# Annotation of tokens that a tok2vec layer may look at.
COPIED = [NORM, LEMMA, TAG, POS, MORPH, DEP]


class Words(NamedTuple):
    """A doc without its blank tokens.

    doc (Doc): the words as a doc: the doc itself where no token is blank.
    places (Optional[NDArray]): the place of each word among the tokens, shape (n_words,); None where it is the same.
    """

    doc: Doc
    places: Optional[NDArray[np.int64]]


def see_words(docs: Sequence[Doc]) -> List[Words]:
    """Return docs without their blank tokens.

    The words keep what a tok2vec layer or a span getter may look at: annotation of tokens, entities, spans groups,
    sentence starts (one at a blank token is that of the next word), the rows of `doc.tensor`, and the doc's own
    `user_data`, so that a domain that is set later is seen. They have no heads.
    """
    return [_see_words(doc) for doc in docs]


def _see_words(doc: Doc) -> Words:
    blank = doc.to_array(IS_SPACE).astype(bool)
    if not blank.any():
        return Words(doc, None)
    places = np.flatnonzero(~blank)
    spaces = doc.to_array(SPACY).astype(bool)
    # A blank token after a word parts it from the next one.
    spaces[:-1] |= blank[1:]
    words = Doc(
        doc.vocab,
        words=[doc[i].text for i in places.tolist()],
        spaces=spaces[places].tolist(),
        user_data=doc.user_data,
    )
    if len(words):
        attributes, columns = list(COPIED), doc.to_array(COPIED)[places]
        if doc.has_annotation("SENT_START"):
            sentences = np.cumsum(doc.to_array(SENT_START) == 1)[places]
            starts = np.where(np.diff(sentences, prepend=sentences[0] - 1) > 0, 1, -1).astype(np.uint64)
            attributes, columns = [*attributes, SENT_START], np.column_stack([columns, starts])
        words.from_array(attributes, cast(Any, columns))
    if doc.ents:
        words.set_ents(_move_spans(doc.ents, words, places), default="missing")
    for key, group in doc.spans.items():
        words.spans[key] = _move_spans(group, words, places)
    if len(doc.tensor) == len(doc):
        words.tensor = doc.tensor[places]
    return Words(words, places)


def _move_spans(spans: Iterable[Span], words: Doc, places: NDArray[np.int64]) -> List[Span]:
    """Return spans of a doc as spans of its words; one of blanks alone has none."""
    moved = []
    for span in spans:
        start, end = np.searchsorted(places, [span.start, span.end]).tolist()
        if start < end:
            moved.append(Span(words, start, end, label=span.label, kb_id=span.kb_id))
    return moved


def tags_of_words(tags: NDArray[np.int64], places: Optional[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the tag indices of words, of tags for all tokens of a doc.

    tags (NDArray): as `tags.label_tags` orders them: O is 0, B- odd, I- even; below 0 where there is none. Shape
        (n_tokens,).
    places (Optional[NDArray]): see `Words`.
    RETURNS (NDArray): shape (n_words,). An entity that begins with a blank token begins with its first word.
    """
    if places is None:
        return tags
    found = tags[places]
    previous = -1
    for word, place in enumerate(places.tolist()):
        if found[word] > 0 and found[word] % 2 == 0 and (tags[previous + 1 : place] == found[word] - 1).any():
            found[word] -= 1
        previous = place
    return found


def tags_of_tokens(tags: NDArray[np.int64], places: Optional[NDArray[np.int64]], n_tokens: int) -> NDArray[np.int64]:
    """Return tag indices for all tokens of a doc, of tags for its words.

    RETURNS (NDArray): shape (n_tokens,). A blank token within an entity is inside it, any other is O.
    """
    if places is None:
        return tags
    found = np.zeros(n_tokens, dtype=np.int64)
    found[places] = tags
    for before, after in zip(places[:-1].tolist(), places[1:].tolist(), strict=True):
        inside = found[after]
        if inside > 0 and inside % 2 == 0 and found[before] in (inside, inside - 1):
            found[before + 1 : after] = inside
    return found


def docs_of_words(docs: Iterable[Doc]) -> List[Doc]:
    """Return docs without their blank tokens, those that have words."""
    return [doc for doc, _ in see_words(list(docs)) if len(doc)]
