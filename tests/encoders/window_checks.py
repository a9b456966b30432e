"""Docs for the tests of windows."""

import numpy as np
import spacy
from spacy.tokens import Doc

VOCAB = spacy.blank("xx").vocab
# Two word pieces a sign.
LONG_TOKEN = "a-" * 400


def make_doc(words, sentences=None):
    """Return a doc; sentences: the first token of each."""
    starts = None if sentences is None else [i in sentences for i in range(len(words))]
    return Doc(VOCAB, words=words, sent_starts=starts)


def make_words(n, seed=0):
    generator = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return ["".join(generator.choice(letters, generator.integers(1, 9))) for _ in range(n)]


def bounds(spans):
    return [(span.start, span.end) for span in spans]
