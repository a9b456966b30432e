"""Sentence vectors of encoders without a vector of the whole text."""

import numpy as np
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders.sentence_vectors import begin_with_sentences


def test_of_other_encoders_it_is_the_mean_of_the_tokens(annotated_docs):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    ner = nlp.add_pipe("crf_ner")
    docs = [*annotated_docs(nlp)[:3], Doc(nlp.vocab)]
    nlp.initialize(lambda: [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs])
    tok2vec = ner.model.get_ref("tok2vec")
    (tokens, sentences), backprop = begin_with_sentences(tok2vec, docs)
    assert [rows.shape for rows in sentences] == [(1, 96)] * 3 + [(0, 96)]
    for rows, sentence in zip(tokens[:3], sentences, strict=False):
        np.testing.assert_allclose(sentence[0], rows.mean(axis=0), rtol=1e-6)
    gradients = []
    for d_tokens, d_sentences in [
        ([np.zeros_like(rows) for rows in tokens], [np.ones_like(rows) for rows in sentences]),
        ([np.full_like(rows, 1 / max(1, len(rows))) for rows in tokens], [np.zeros_like(rows) for rows in sentences]),
    ]:
        (_, _), backprop = begin_with_sentences(tok2vec, docs)
        backprop(d_tokens, d_sentences)
        nodes = [(node, name) for node in tok2vec.walk() for name in node.param_names if node.has_grad(name)]
        gradients.append([node.get_grad(name).copy() for node, name in nodes])
        for node, name in nodes:
            node.set_grad(name, np.zeros_like(node.get_grad(name)))
    assert any(gradient.any() for gradient in gradients[0])
    for first, second in zip(*gradients, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)
