"""Rehearsal of every component: it keeps what it knew beside new labels."""

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from thinc.api import fix_random_seed

from spacy_crossner.core.bridge import get_module

from .components import entities, examples_of, output_layer, plain_sgd, predict_all, weights


def test_rehearsal_keeps_what_new_labels_would_erase(trained):
    nlp, docs = trained
    words = ["Ada", "Grace", "Alan", "and", "Tommy", "saw", "fog", "in", "London", "Paris", "Oslo", "and", "Berlin"]
    news = [Doc(nlp.vocab, words=words, ents=["B-weather" if word == "fog" else "O" for word in words])]
    news += [Doc(nlp.vocab, words=["Fog", "again"], ents=["B-weather", "O"])]
    ner = nlp.get_pipe("ner")
    ner.add_label("weather")
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    saved = nlp.to_bytes()

    def errors(rehearse):
        copy = nlp.from_bytes(saved)
        copy.resume_training()
        for _ in range(12):
            copy.update(examples_of(copy, news), sgd=optimizer)
            if rehearse:
                losses = copy.rehearse(examples_of(copy, docs), sgd=optimizer)
                assert losses["ner"] > 0
        return sum(a != entities(b) for a, b in zip(predict_all(copy, docs), docs, strict=True))

    assert errors(rehearse=False) > 3 > errors(rehearse=True)


def test_rehearsal_reaches_every_weight(trained):
    nlp, docs = trained
    nlp.resume_training()
    ner = nlp.get_pipe("ner")
    with torch.no_grad():
        # What it knew has faded since.
        output_layer(ner).weight.mul_(0.1)
    before = weights(nlp)
    embedding = next(node for node in ner.model.walk() if node.name == "hashembed")
    vectors = embedding.get_param("E").copy()
    losses = nlp.rehearse(examples_of(nlp, docs), sgd=plain_sgd())
    assert losses["ner"] > 0
    parameters = get_module(ner.model).named_parameters()
    # A task beside the tags takes no part in predictions, nor in rehearsal.
    trainable = [name for name, value in parameters if value.requires_grad and not name.startswith("detector.")]
    after = weights(nlp)
    assert all(not torch.equal(before[name], after[name]) for name in trainable)
    assert not np.array_equal(vectors, embedding.get_param("E"))


def test_rehearsal_asks_nothing_of_labels_that_know_nothing(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    ner.add_label("weather")
    with torch.no_grad():
        output_layer(ner).bias[-2:] = 100.0
    nlp.resume_training()
    # What is asked for are the gold tags, as it knows these by heart.
    # The same draws, where a head makes some in training.
    fix_random_seed(0)
    asked = ner.rehearse(examples_of(nlp, docs), losses={})["ner"]
    fix_random_seed(0)
    taught = ner.update(examples_of(nlp, docs), losses={})["ner.nll"]
    assert asked == pytest.approx(taught, rel=1e-5)
    assert asked > 50
