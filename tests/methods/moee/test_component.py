"""What is special to `moee_ner`; what it shares with the other components stands in test_components.py."""

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.annotations.experts import get_experts
from spacy_crossner.errors import CrossnerError
from spacy_crossner.methods.moee.losses import ExpertGate


@pytest.fixture(scope="module")
def trained(learn_by_heart):
    return learn_by_heart("moee_ner", {"model": {"expert_width": 20}, "keep_experts": True})


def test_experts_of_each_token_are_kept_on_request(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    for doc in nlp.pipe([without_annotation(doc, nlp.vocab) for doc in docs]):
        names, weights = get_experts(doc)
        assert names == ["O", *ner.labels]
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        # After training the gate knows the gold types by heart.
        assert [names[i] for i in weights.argmax(axis=1)] == [token.ent_type_ or "O" for token in doc]
        assert doc[0]._.experts == dict(zip(names, weights[0].tolist(), strict=True))
    ner.keep_experts = False
    try:
        assert nlp("Ada met Grace.")[0]._.experts is None
    finally:
        ner.keep_experts = True


def test_experts_go_to_bytes_with_their_doc(trained):
    nlp, docs = trained
    doc = nlp(without_annotation(docs[0], nlp.vocab))
    bin_of_docs = DocBin(store_user_data=True)
    bin_of_docs.add(doc)
    copies = [Doc(nlp.vocab).from_bytes(doc.to_bytes()), *bin_of_docs.get_docs(nlp.vocab)]
    for copy in copies:
        assert copy[1]._.experts == doc[1]._.experts


def test_experts_of_a_long_doc_are_those_of_its_windows(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    words = [token.text for doc in docs for token in doc]
    whole = get_experts(nlp(Doc(nlp.vocab, words=words)))[1]
    window, overlap = ner.window, ner.overlap
    ner.window, ner.overlap = 7, 2
    try:
        cut = get_experts(nlp(Doc(nlp.vocab, words=words)))[1]
    finally:
        ner.window, ner.overlap = window, overlap
    # The encoder sees the whole doc, and each token's gate its own vector only.
    np.testing.assert_allclose(cut, whole, atol=1e-5)


def test_losses_are_logged_by_name(trained, annotated_docs):
    nlp, docs = trained
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs[:2]]
    losses = nlp.update(examples)
    assert set(losses) == {"ner", "ner.nll", "ner.detection", "ner.gate"}
    assert losses["ner"] == pytest.approx(losses["ner.nll"] + losses["ner.detection"] + losses["ner.gate"], rel=1e-4)
    assert all(losses.values())


def test_the_settings_are_saved(trained, tmp_path):
    nlp, _ = trained
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert loaded.get_pipe("ner").keep_experts is True
    assert loaded("Ada met Grace.")[0]._.experts == nlp("Ada met Grace.")[0]._.experts


def test_a_term_for_experts_is_refused_by_a_head_without_them(annotated_docs):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("crf_ner")
    ner.losses["gate"] = ExpertGate()
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in annotated_docs(nlp)]
    nlp.initialize(lambda: examples)
    with pytest.raises(CrossnerError, match=r"C029.*ExpertGate.*moee_ner.*LinearTagger"):
        nlp.update(examples)


def test_settings_of_one_component_are_unknown_to_others():
    with pytest.raises(ValueError, match="keep_experts"):
        spacy.blank("en").add_pipe("crf_ner", config={"keep_experts": True})
