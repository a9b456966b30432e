"""Layers of `spacy_crossner.Encoder.v1` and docs for their tests, and the vectors and gradients by hand."""

import numpy as np
import torch
from spacy.tokens import Doc

from spacy_crossner.encoders.encoder import build_encoder

from .small_tokenizers import STRANGE
from .window_checks import VOCAB, make_doc, make_words

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def opened(folder, **settings):
    model = build_encoder(str(folder), **settings)
    model.initialize()
    return model


def doc_of(*words, spaces=None):
    return Doc(VOCAB, words=list(words), spaces=spaces)


DOCS = {
    "empty": lambda: Doc(VOCAB),
    "one word": lambda: doc_of("Ada"),
    "blanks": lambda: doc_of("\n", " "),
    "lines": lambda: doc_of("\n", "Ada", "met", "\n\n", "  ", "Grace", "\t"),
    "strange": lambda: doc_of(*STRANGE[:24]),
    "5000 words": lambda: make_doc(make_words(5000, 3)),
    "sentences": lambda: make_doc(make_words(300, 4), set(range(0, 300, 20))),
    "short": lambda: make_doc(make_words(9, 5)),
}


def batch(*left_out):
    return [make() for name, make in DOCS.items() if name not in left_out]


def by_hand(module, tokenizer, doc, pooling):
    """Return the vectors of the words of a doc that fits, with the encoder's own call, as tensors with a graph."""
    words = [token.text for token in doc if not token.is_space]
    found = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    hidden = module(**found).last_hidden_state[0]
    of_word = np.array([-1 if word is None else word for word in found.word_ids(0)])
    rows = [hidden[torch.from_numpy(of_word == i)] for i in range(len(words))]
    pools = {
        "mean": lambda x: x.mean(0),
        "first": lambda x: x[0],
        "last": lambda x: x[-1],
        "max": lambda x: x.max(0).values,
    }
    return [pools[pooling](row) if len(row) else hidden.new_zeros(hidden.shape[1]) for row in rows], hidden


def assert_same_gradients(found, wanted, atol=2e-5):
    wanted = dict(wanted.named_parameters())
    moved = 0
    for name, parameter in found.named_parameters():
        if ".cases." in name:
            # The plain encoder takes no letter case; see `test_letter_case`.
            continue
        gradient = wanted[name.replace(".words.", ".")].grad
        assert (parameter.grad is None) == (gradient is None), name
        if gradient is not None:
            torch.testing.assert_close(parameter.grad, gradient, atol=atol, rtol=1e-4)
            moved += bool(gradient.any())
    assert moved > 20
