"""The words of a doc: all tokens except blank tokens. Encoders and heads see only words, in training and prediction.

In running text, spaCy makes tokens of white space (line breaks, the second of two blanks). Training data in columns or
markup has no such tokens, so a component cannot learn to handle them.
"""

from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, cast

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import DEP, IS_SPACE, LEMMA, MORPH, NORM, POS, SENT_START, SPACY, TAG
from spacy.tokens import Doc, Span

# Token attributes that a tok2vec layer may use.
COPIED = [NORM, LEMMA, TAG, POS, MORPH, DEP]


class Words(NamedTuple):
    """A doc without its blank tokens.

    doc (Doc): the words as a doc; the doc itself if no token is blank.
    places (Optional[NDArray]): the token index of each word, shape (n_words,); None if no token is blank.
    """

    doc: Doc
    places: Optional[NDArray[np.int64]]


def see_words(docs: Sequence[Doc]) -> List[Words]:
    """Return docs without their blank tokens.

    The words keep the annotation that a tok2vec layer or a span getter may use: token attributes, entities, span
    groups, sentence starts (that of a blank token moves to the next word), the rows of `doc.tensor`, and the same
    `user_data` object, so that a domain that is set later is seen. They have no dependency heads.
    """
    return [_see_words(doc) for doc in docs]


def _see_words(doc: Doc) -> Words:
    blank = doc.to_array(IS_SPACE).astype(bool)
    if not blank.any():
        return Words(doc, None)
    places = np.flatnonzero(~blank)
    spaces = doc.to_array(SPACY).astype(bool)
    # A word before a blank token is followed by a space.
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
    """Return spans of a doc as spans of its words, without spans that hold only blank tokens."""
    moved = []
    for span in spans:
        start, end = np.searchsorted(places, [span.start, span.end]).tolist()
        if start < end:
            moved.append(Span(words, start, end, label=span.label, kb_id=span.kb_id))
    return moved


def tags_of_words(tags: NDArray[np.int64], places: Optional[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return the tag indices of the words of a doc, given the tag indices of all its tokens.

    tags (NDArray): indices into `tags.label_tags`: O is 0, B- odd, I- even; below 0 for no tag. Shape (n_tokens,).
    places (Optional[NDArray]): see `Words`.
    RETURNS (NDArray): shape (n_words,). An entity that begins with a blank token begins with its first word.
    """
    if places is None:
        return tags
    word_tags = tags[places]
    previous = -1
    for word, place in enumerate(places.tolist()):
        if (
            word_tags[word] > 0
            and word_tags[word] % 2 == 0
            and (tags[previous + 1 : place] == word_tags[word] - 1).any()
        ):
            word_tags[word] -= 1
        previous = place
    return word_tags


def tags_of_tokens(tags: NDArray[np.int64], places: Optional[NDArray[np.int64]], n_tokens: int) -> NDArray[np.int64]:
    """Return the tag indices of all tokens of a doc, given the tag indices of its words.

    RETURNS (NDArray): shape (n_tokens,). A blank token within an entity is inside it, any other blank token is O.
    """
    if places is None:
        return tags
    token_tags = np.zeros(n_tokens, dtype=np.int64)
    token_tags[places] = tags
    for before, after in zip(places[:-1].tolist(), places[1:].tolist(), strict=True):
        next_tag = token_tags[after]
        if next_tag > 0 and next_tag % 2 == 0 and token_tags[before] in (next_tag, next_tag - 1):
            token_tags[before + 1 : after] = next_tag
    return token_tags


def docs_of_words(docs: Iterable[Doc]) -> List[Doc]:
    """Return docs without their blank tokens. Docs without words are left out."""
    return [doc for doc, _ in see_words(list(docs)) if len(doc)]
