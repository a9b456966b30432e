"""Learning from soft labels: what is stored on docs, and the distillation term computed by hand."""

import math

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import set_domain
from spacy_crossner.annotations.soft_labels import copy_soft_labels, get_soft_labels, set_soft_labels
from spacy_crossner.core.bridge import get_module
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.pdaln.distillation import Distillation
from spacy_crossner.training.callbacks import create_attach_soft_labels
from spacy_crossner.training.readers import DomainReader

LABELS = ["thing", "person"]
# Columns: O, B-thing, I-thing, B-person, I-person.
SOFT = np.array([[0.1, 0.2, 0, 0.7, 0], [0.25, 0, 0, 0, 0.75], [0.9992, 0, 0.0004, 0.0004, 0]])


@pytest.fixture
def nlp():
    nlp = spacy.blank("xx")
    tok2vec = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 8, "depth": 1, "embed_size": 50}
    tok2vec.update(window_size=1, maxout_pieces=2, subword_features=True, pretrained_vectors=None)
    nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": tok2vec}})
    gold = Doc(nlp.vocab, words=["Ada", "Lovelace", "left"], ents=["B-person", "I-person", "O"])
    other = Doc(nlp.vocab, words=["Z3"], ents=["B-thing"])
    nlp.initialize(lambda: [Example(Doc(nlp.vocab, words=[t.text for t in doc]), doc) for doc in (gold, other)])
    return nlp


def silver_doc(nlp, labels=LABELS, words=("Ada", "Lovelace", "left")):
    doc = Doc(nlp.vocab, words=list(words), ents=["B-person", "", "O"])
    set_domain(doc, "silver")
    set_soft_labels(doc, labels, SOFT)
    return doc


def test_soft_labels_are_kept_in_a_docbin_and_reach_the_predicted_doc(nlp, tmp_path):
    write_docbin([silver_doc(nlp)], tmp_path / "silver.spacy")
    labels, probabilities = get_soft_labels(read_docbin(tmp_path / "silver.spacy", nlp.vocab)[0])
    assert labels == LABELS
    assert probabilities.dtype == np.float16
    # What is below a thousandth is stored as 0.
    assert probabilities[2].tolist() == [np.float16(0.9992), 0, 0, 0, 0]
    assert np.abs(probabilities[:2] - SOFT[:2]).max() < 1e-3
    (example,) = DomainReader({"x": {"path": str(tmp_path / "silver.spacy")}})(nlp)
    for doc in (example.predicted, example.reference):
        assert (get_soft_labels(doc).probabilities == probabilities).all()
    assert not example.predicted.ents


def test_the_distillation_term_is_the_cross_entropy_to_the_soft_labels(nlp):
    ner = nlp.get_pipe("ner")
    ner.losses = {"soft": Distillation(average="tokens", domain="silver", weight=1.0)}
    create_attach_soft_labels("ner")(nlp)
    gold = silver_doc(nlp)
    predicted = Doc(nlp.vocab, words=[token.text for token in gold])
    copy_soft_labels(gold, predicted)
    # A doc without soft labels beside it, of another domain.
    plain = Doc(nlp.vocab, words=["Z3"], ents=["B-thing"])
    examples = [Example(predicted, gold), Example(Doc(nlp.vocab, words=["Z3"]), plain)]
    # By hand, from the component's own marginals: those of legal and illegal paths, as the likelihood has them.
    rows = ner.make_rows([predicted])
    output = ner.model.predict(rows)
    student = get_module(ner.model).log_probabilities(output)[0].tolist()
    labels = list(ner.labels)
    assert labels == ["person", "thing"]
    order = [0, 3, 4, 1, 2]
    expected = 0.0
    for token, row in enumerate(SOFT.tolist()):
        kept = [p if p >= 1e-3 else 0.0 for p in row]
        for stored, p in enumerate(kept):
            # The rows are scaled to sum to 1, like those of any teacher.
            expected -= p / sum(kept) * student[token][order[stored]] / 3
    losses = nlp.update(examples, sgd=lambda key, weights, gradient: (weights, gradient), drop=0.0)
    assert losses["ner"] == pytest.approx(expected, rel=1e-3)


def test_a_component_learns_the_soft_labels(nlp):
    ner = nlp.get_pipe("ner")
    ner.losses = {"soft": Distillation(average="tokens", domain=None, weight=1.0)}
    create_attach_soft_labels("ner")(nlp)
    gold = silver_doc(nlp)
    predicted = Doc(nlp.vocab, words=[token.text for token in gold])
    copy_soft_labels(gold, predicted)
    optimizer = nlp.create_optimizer()
    optimizer.learn_rate = 0.02
    for _ in range(60):
        nlp.update([Example(predicted, gold)], sgd=optimizer)
    with torch.no_grad():
        found = get_module(ner.model).log_probabilities(ner.model.predict(ner.make_rows([predicted])))[0].exp()
    assert np.abs(found.numpy()[:, [0, 3, 4, 1, 2]] - SOFT).max() < 0.1
    assert math.isclose(float(found[0].sum()), 1, abs_tol=1e-4)


def test_docs_without_soft_labels_and_unknown_labels_are_errors(nlp):
    ner = nlp.get_pipe("ner")
    ner.losses = {"soft": Distillation(average="tokens", domain="silver", weight=1.0)}
    create_attach_soft_labels("ner")(nlp)
    gold = silver_doc(nlp)
    with pytest.raises(CrossnerError, match=r"C613.*'ner'.*Ada Lovelace left"):
        nlp.update([Example(Doc(nlp.vocab, words=[token.text for token in gold]), gold)])
    strange = silver_doc(nlp, labels=["thing", "city"])
    predicted = Doc(nlp.vocab, words=[token.text for token in strange])
    copy_soft_labels(strange, predicted)
    with pytest.raises(CrossnerError, match=r"C614.*'city'.*person, thing"):
        nlp.update([Example(predicted, strange)])


def test_blank_tokens_have_no_soft_labels_of_their_own(nlp):
    ner = nlp.get_pipe("ner")
    create_attach_soft_labels("ner")(nlp)
    doc = Doc(nlp.vocab, words=["Ada", "\n", "left"])
    set_soft_labels(doc, LABELS, SOFT)
    rows = ner.make_rows([doc])
    found = ner.teacher.log_probabilities(rows, torch.zeros((1, 2), dtype=torch.long), torch.tensor([True]))
    assert found.exp()[0].numpy() == pytest.approx(SOFT[[0, 2]][:, [0, 3, 4, 1, 2]], abs=1e-3)
