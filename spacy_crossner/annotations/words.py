"""The words of a doc: all tokens except blank tokens. Encoders and heads see only words, in training and prediction.

In running text, spaCy makes tokens of white space (line breaks, the second of two blanks). Training data in columns or
markup has no such tokens, so a component cannot learn to handle them.
"""

from typing import Any, Iterable, List, Optional, Sequence, cast

import numpy as np
from numpy.typing import NDArray
from spacy.attrs import (
    DEP,
    ENT_IOB,
    ENT_TYPE,
    IDX,
    IS_SPACE,
    LEMMA,
    LENGTH,
    MORPH,
    NORM,
    ORTH,
    POS,
    SENT_START,
    SPACY,
    TAG,
)
from spacy.tokens import Doc, Span

# Token attributes that are read at once from each doc, and the index of each in `Words.columns`.
COLUMNS = [ORTH, IS_SPACE, SPACY, SENT_START, ENT_IOB, ENT_TYPE, IDX, LENGTH]
OF_ORTH, OF_BLANK, OF_SPACE_AFTER, OF_SENT_START, OF_IOB, OF_TYPE, OF_CHARACTER, OF_LENGTH = range(len(COLUMNS))
# Token attributes that a tok2vec layer may use.
COPIED = [NORM, LEMMA, TAG, POS, MORPH, DEP]


class Words:
    """A doc without its blank tokens.

    source (Doc): the doc.
    columns (NDArray): attributes of all its tokens, see COLUMNS, uint64, shape (n_tokens, n_columns).
    places (Optional[NDArray]): the token index of each word, shape (n_words,); None if no token is blank.
    """

    __slots__ = ("_doc", "columns", "places", "source")

    def __init__(self, source: Doc, columns: NDArray[np.uint64], places: Optional[NDArray[np.int64]]) -> None:
        self.source = source
        self.columns = columns
        self.places = places
        self._doc: Optional[Doc] = None

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.columns) if self.places is None else len(self.places)

    @property
    def doc(self) -> Doc:
        """The words as a doc, which is made at the first access; the source itself if no token is blank.

        The words keep the annotation that a tok2vec layer or a span getter may use: token attributes, entities, span
        groups, sentence starts (that of a blank token moves to the next word), the rows of `doc.tensor`, and the same
        `user_data` object, so that a domain that is set later is seen. They have no dependency heads.
        """
        if self.places is None:
            return self.source
        if self._doc is None:
            self._doc = _without_blanks(self.source, self.columns, self.places, self.sentence_starts())
        return self._doc

    def sentence_starts(self) -> Optional[NDArray[np.bool_]]:
        """Return which words start a sentence, shape (n_words,); None for a doc without sentence annotation.

        If a blank token starts a sentence, the next word starts it. The first word starts the first sentence.
        """
        marks = self.columns[:, OF_SENT_START]
        if not marks[1:].any():
            return None
        starts: NDArray[np.bool_] = marks == 1
        if self.places is not None:
            sentences = np.cumsum(starts)[self.places]
            starts = np.diff(sentences, prepend=-1) > 0
        elif len(starts):
            starts[0] = True
        return starts


class WordBatch(List[Words]):
    """The words of a batch of docs, and their attributes in one array.

    columns (NDArray): attributes of the words of all docs in order, see COLUMNS, shape (n_words_in_all, n_columns).
    lengths (NDArray): number of words of each doc, shape (n_docs,).
    follows_space (NDArray): whether white space is between each word and the word before it in its doc, bool, shape
        (n_words_in_all,).
    """

    columns: NDArray[np.uint64]
    lengths: NDArray[np.int64]
    follows_space: NDArray[np.bool_]


def see_words(docs: Sequence[Doc]) -> WordBatch:
    """Return docs without their blank tokens. Each doc is read only once."""
    parts: List[NDArray[np.uint64]] = [cast(Any, doc.to_array(COLUMNS)) for doc in docs]
    columns = np.concatenate(parts) if parts else np.zeros((0, len(COLUMNS)), dtype=np.uint64)
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    follows_space = np.zeros(len(columns), dtype=bool)
    follows_space[1:] = columns[:-1, OF_SPACE_AFTER] > 0
    blank = columns[:, OF_BLANK] > 0
    places: List[Optional[NDArray[np.int64]]] = [None] * len(parts)
    has_blanks = bool(blank.any())
    if has_blanks:
        follows_space[1:] |= blank[:-1]
        for i in np.unique(np.repeat(np.arange(len(parts)), lengths)[blank]).tolist():
            places[i] = np.flatnonzero(parts[i][:, OF_BLANK] == 0)
    words = WordBatch(Words(*each) for each in zip(docs, parts, places, strict=True))
    if has_blanks:
        columns, follows_space = columns[~blank], follows_space[~blank]
        lengths = np.array([len(each) for each in words], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    follows_space[starts[lengths > 0]] = False
    words.columns, words.lengths, words.follows_space = columns, lengths, follows_space
    return words


def tokens_of_words(words: WordBatch) -> NDArray[np.int64]:
    """Return the index of each word among all tokens of a batch, shape (n_words_in_all,)."""
    start, places = 0, [np.zeros(0, dtype=np.int64)]
    for each in words:
        places.append(start + (np.arange(len(each)) if each.places is None else each.places))
        start += len(each.columns)
    return np.concatenate(places)


def _without_blanks(
    doc: Doc, columns: NDArray[np.uint64], places: NDArray[np.int64], starts: Optional[NDArray[np.bool_]]
) -> Doc:
    spaces = columns[:, OF_SPACE_AFTER] > 0
    # A word before a blank token is followed by a space.
    spaces[:-1] |= columns[1:, OF_BLANK] > 0
    strings = doc.vocab.strings
    words = Doc(
        doc.vocab,
        words=[strings[orth] for orth in columns[places, OF_ORTH].tolist()],
        spaces=spaces[places].tolist(),
        user_data=doc.user_data,
    )
    if len(words):
        attributes, values = list(COPIED), doc.to_array(COPIED)[places]
        if starts is not None:
            marks = np.where(starts, 1, -1).astype(np.uint64)
            attributes, values = [*attributes, SENT_START], np.column_stack([values, marks])
        words.from_array(attributes, cast(Any, values))
    if doc.ents:
        words.set_ents(_move_spans(doc.ents, words, places), default="missing")
    for key, group in doc.spans.items():
        words.spans[key] = _move_spans(group, words, places)
    if len(doc.tensor) == len(doc):
        words.tensor = doc.tensor[places]
    return words


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
    return [words.doc for words in see_words(list(docs)) if len(words)]
