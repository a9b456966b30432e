"""What is special to `label_aware_ner`; what it shares with the other components stands in test_components.py."""

import pytest
from spacy.tokens import Doc

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.annotations.tags import tags_to_spans
from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.bridge import get_module
from spacy_crossner.core.doc_windows import Rows, Window
from spacy_crossner.core.head import Decoding


@pytest.fixture(scope="module")
def trained(learn_by_heart):
    return learn_by_heart("label_aware_ner", {"model": {"label_width": 20}})


def test_every_sentence_of_a_long_doc_begins_anew(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    # No two sentences fit into a window.
    ner.window, ner.overlap = max(len(doc) for doc in docs), 0
    long_docs = [doc for doc in docs if 2 * len(doc) > ner.window]
    words = [token.text for doc in long_docs for token in doc]
    doc = Doc(nlp.vocab, words=words, sent_starts=[i == 0 for doc in long_docs for i in range(len(doc))])
    windows = [Window(0, sent.start, sent.end, sent.start, sent.end) for sent in doc.sents]
    expected = []
    for window in windows:
        output = ner.model.predict(Rows(see_words([doc]), [window]))
        tags = get_module(ner.model).decode(output, Decoding()).numpy()
        for _, start, end, label in tags_to_spans(tags, output.mask.sum(dim=1).numpy()).tolist():
            expected.append((window.start + start, window.start + end, ner.labels[label]))
    assert [(ent.start, ent.end, ent.label_) for ent in nlp(doc).ents] == expected
    gold = Doc.from_docs(long_docs)
    assert expected == [(ent.start, ent.end, ent.label_) for ent in gold.ents]


def test_an_earlier_tag_decides_a_later_one(trained):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    output = ner.model.predict([without_annotation(docs[0], nlp.vocab)])
    head = get_module(ner.model)
    tags = head.tagging(output, Decoding()).tags
    other = tags.clone()
    other[0, 0] = 0
    scores = [head.scores_along(output, head.prefixes.labels(before)) for before in (tags, other)]
    assert (scores[0][0, 0] == scores[1][0, 0]).all()
    assert ((scores[0] - scores[1])[0, 1:].abs().amax(dim=1) > 1e-3).all()
