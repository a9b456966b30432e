"""The probability of each tag at each word, against sums over the spans that each component finds possible."""

import copy

import numpy as np
import pytest
from spacy.tokens import Doc

from .components import COMPONENTS

WORDS = ["Ada", "Lovelace", "met", "Grace", "Hopper", "in", "Dollis", "Hill"]


def add_up(nlp, doc):
    """Add up the probabilities of all spans: those that begin at a word, and those that go on at it."""
    ner = nlp.get_pipe("ner")
    ner.candidates_key, ner.candidates_floor = "all", 1e-12
    (prediction,) = ner.predict([doc])
    sums = np.zeros((len(doc), 1 + 2 * len(ner.labels)))
    for start, end, label, score in prediction.candidates:
        tag = 1 + 2 * ner.labels.index(label)
        sums[start, tag] += score
        sums[start + 1 : end, tag + 1] += score
    sums[:, 0] = 1 - sums[:, 1:].sum(axis=1)
    return sums


def test_they_are_the_sums_over_spans(component, learned):
    nlp = copy.deepcopy(learned(component))
    ner = nlp.get_pipe("ner")
    ner.cfg["temperature"] = 3.0
    docs = [Doc(nlp.vocab, words=WORDS), Doc(nlp.vocab), Doc(nlp.vocab, words=WORDS[3:5])]
    found = ner.tag_probabilities(docs)
    assert [len(of_doc) for of_doc in found] == [len(WORDS), 0, 2]
    assert np.concatenate(found).sum(axis=1) == pytest.approx(1)
    for doc, of_doc in ((docs[0], found[0]), (docs[2], found[2])):
        expected = add_up(nlp, doc)
        if component == "laner":
            # Each tag is given the decoded tags before it, so only the first tag of a span adds up.
            of_doc, expected = of_doc[:, 1::2], expected[:, 1::2]
        assert of_doc == pytest.approx(expected, abs=1e-6)
        assert 0.01 < of_doc.max() < 0.9999


def test_the_temperature_flattens_them(component, learned):
    nlp = copy.deepcopy(learned(component))
    ner = nlp.get_pipe("ner")
    highest = []
    for ner.cfg["temperature"] in (1.0, 5.0):
        (found,) = ner.tag_probabilities([Doc(nlp.vocab, words=WORDS)])
        highest.append(found.max(axis=1).mean())
    assert highest[1] < highest[0] - 0.05


def test_blank_tokens_are_left_out_and_windows_are_put_together(component, learned):
    nlp = copy.deepcopy(learned(component))
    ner = nlp.get_pipe("ner")
    words = ["\n", *WORDS[:4], "\n", *WORDS[4:]]
    (found,) = ner.tag_probabilities([Doc(nlp.vocab, words=words)])
    assert found == pytest.approx(ner.tag_probabilities([Doc(nlp.vocab, words=WORDS)])[0], abs=1e-6)
    if COMPONENTS[component][0] in ("label_aware_ner", "param_gen_ner"):
        return
    ner.window, ner.overlap = 16, 12
    text = Doc(nlp.vocab, words=WORDS * 5)
    (found,) = ner.tag_probabilities([text])
    ner.window = 100
    assert found == pytest.approx(ner.tag_probabilities([text])[0], abs=0.02)


def test_a_component_annotates_and_gives_them_in_one_run(component, learned):
    nlp = learned(component)
    ner = nlp.get_pipe("ner")

    def make():
        return [Doc(nlp.vocab, words=WORDS), Doc(nlp.vocab), Doc(nlp.vocab, words=["\n", *WORDS[3:5]])]

    docs, expected = make(), list(nlp.pipe(make()))
    for found, alone in zip(ner.annotate(docs), ner.tag_probabilities(make()), strict=True):
        assert found == pytest.approx(alone, abs=1e-6)
    for doc, other in zip(docs, expected, strict=True):
        assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [
            (ent.start, ent.end, ent.label_) for ent in other.ents
        ]
        assert [ent._.score for ent in doc.ents] == pytest.approx([ent._.score for ent in other.ents])
    assert docs[0].ents
