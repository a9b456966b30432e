"""Docs without their blank tokens, and the way back."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from spacy_crossner.annotations.domains import get_domain, set_domain
from spacy_crossner.annotations.tags import bio_to_spans, label_tags
from spacy_crossner.annotations.words import see_words, tags_of_tokens, tags_of_words

VOCAB = spacy.blank("en").vocab
TAGS = label_tags(["a", "b"])
TOKENS = st.lists(st.sampled_from(["one", "two", ".", "\n", " ", "\u00a0", "\t\t"]), max_size=10)


def test_a_doc_without_blanks_is_itself():
    doc = Doc(VOCAB, words=["one", "two"])
    (words,) = see_words([doc])
    assert words.doc is doc
    assert words.places is None


def test_white_space_before_a_word_is_between_it_and_the_word_before():
    docs = [
        Doc(
            VOCAB,
            words=["\n", "one", "two", "\n", ".", "one", " "],
            spaces=[True, False, False, False, True, True, True],
        ),
        Doc(VOCAB),
        Doc(VOCAB, words=[" "]),
        Doc(VOCAB, words=["one", "two", "."], spaces=[True, False, True]),
    ]
    wanted = [False, False, True, True, False, True, False]
    assert see_words(docs).follows_space.tolist() == wanted
    assert see_words(docs[:1]).follows_space.tolist() == wanted[:4]
    assert see_words(docs[3:]).follows_space.tolist() == wanted[4:]
    assert see_words([]).follows_space.tolist() == []


@given(TOKENS)
def test_words_are_the_tokens_that_are_no_blanks(tokens):
    doc = Doc(VOCAB, words=tokens)
    (words,) = see_words([doc])
    assert [token.text for token in words.doc] == [token.text for token in doc if not token.is_space]
    if words.places is not None:
        assert words.places.tolist() == [token.i for token in doc if not token.is_space]


def test_words_keep_annotation_sentences_vectors_and_marks():
    doc = Doc(
        VOCAB,
        words=["Ada", "\n", "met", "  ", "Grace"],
        spaces=[False, False, False, False, False],
        tags=["NNP", "_SP", "VBD", "_SP", "NNP"],
        sent_starts=[True, False, False, True, False],
    )
    doc[2].norm_ = "meet"
    doc[2].dep_ = "ROOT"
    doc.ents = [Span(doc, 0, 1, label="PERSON"), Span(doc, 3, 5, label="PERSON", kb_id="Q1")]
    doc.spans["all"] = [Span(doc, 0, 5, label="S"), Span(doc, 1, 2, label="BLANK")]
    doc.tensor = np.arange(10, dtype="float32").reshape(5, 2)
    set_domain(doc, "history")
    (words,) = see_words([doc])
    assert words.doc.text == "Ada met Grace"
    assert [token.tag_ for token in words.doc] == ["NNP", "VBD", "NNP"]
    assert [token.norm_ for token in words.doc] == ["ada", "meet", "grace"]
    # The sentence that starts with a blank starts with the word after it.
    assert [token.is_sent_start for token in words.doc] == [True, False, True]
    assert words.doc.tensor.tolist() == [[0, 1], [4, 5], [8, 9]]
    assert get_domain(words.doc) == "history"
    assert words.doc[1].dep_ == "ROOT"
    assert [(ent.start, ent.end, ent.label_, ent.kb_id_) for ent in words.doc.ents] == [
        (0, 1, "PERSON", ""),
        (2, 3, "PERSON", "Q1"),
    ]
    assert [token.ent_type_ for token in words.doc] == ["PERSON", "", "PERSON"]
    assert [(span.start, span.end, span.label_) for span in words.doc.spans["all"]] == [(0, 3, "S")]


def test_a_doc_of_blanks_has_no_words():
    (words,) = see_words([Doc(VOCAB, words=["\n", "  "])])
    assert len(words.doc) == 0


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (["B-a", "I-a", "I-a", "O"], ["B-a", "I-a"]),
        # The entity began with the blank.
        (["O", "B-a", "I-a", "I-a"], ["O", "B-a"]),
        # Two entities side by side stay two.
        (["B-a", "B-a", "I-a", "O"], ["B-a", "B-a"]),
        (["B-a", "O", "B-a", "I-a"], ["B-a", "B-a"]),
    ],
)
def test_tags_of_words(tokens, words):
    # The second and the last token are blank.
    tags = np.array([TAGS.index(tag) for tag in tokens])
    found = tags_of_words(tags, np.array([0, 2]))
    assert [TAGS[tag] for tag in found] == words


@given(st.lists(st.booleans(), min_size=1, max_size=10), st.data())
def test_tags_of_tokens_hold_the_entities_of_the_words(blank, data):
    places = np.flatnonzero(~np.array(blank))
    tags = data.draw(st.lists(st.integers(0, len(TAGS) - 1), min_size=len(places), max_size=len(places)))
    found = tags_of_tokens(np.array(tags, dtype=np.int64), places, len(blank))
    spans = bio_to_spans([TAGS[tag] for tag in tags])
    expected = [(int(places[start]), int(places[end - 1]) + 1, label) for start, end, label in spans]
    assert bio_to_spans([TAGS[tag] for tag in found]) == expected
    assert tags_of_words(found, places).tolist() == tags
