"""Tokenize any text in time linear in its length."""

import re
from typing import Callable, List

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..errors import CrossnerError

# Longer than any URL in a sentence. A longer run is no word: base64, a row of brackets, of emojis ...
LONGEST = 2000
# spaCy splits off one character after another and copies the rest each time: 10,000 brackets take 8 s.
PIECE = 100

RUN = re.compile(r"\S+")


def bounded(tokenizer: Callable[[str], Doc]) -> Callable[[str], Doc]:
    """Return a tokenizer that first cuts runs of more than 2,000 characters without a blank into pieces of 100.

    The text of the doc does not change. Text without such runs is tokenized as before.
    """

    def tokenize(text: str) -> Doc:
        cuts = find_cuts(text)
        if not cuts:
            return tokenizer(text)
        words: List[str] = []
        spaces: List[bool] = []
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            doc = tokenizer(text[start:end])
            words += [token.text for token in doc]
            spaces += [bool(token.whitespace_) for token in doc]
        return Doc(doc.vocab, words=words, spaces=spaces)

    return tokenize


def find_cuts(text: str) -> List[int]:
    """Return the positions at which runs of characters that are too long for a tokenizer are cut."""
    if len(text) <= LONGEST:
        return []
    return [
        cut
        for run in RUN.finditer(text)
        if run.end() - run.start() > LONGEST
        for cut in range(run.start() + PIECE, run.end(), PIECE)
    ]


def blank_pipeline(lang: str) -> Language:
    """Return the blank pipeline of a language, for its tokenizer and vocabulary.

    RAISES (CrossnerError): spaCy does not know the language, or lacks a package that its tokenizer needs.
    """
    try:
        return spacy.blank(lang)
    except ImportError as error:
        raise CrossnerError(f"[C122] Cannot make a tokenizer for the language '{lang}': {error}") from error
