"""Gold tags and spans, against the plain string functions."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.tags import bio_to_spans, label_tags, tags_to_spans
from spacy_crossner.core.alignment import MISSING, UNKNOWN_LABEL, aligned_tags, doc_tags

LABELS = ["a", "geo-loc"]
TAGS = label_tags(LABELS)
VOCAB = spacy.blank("en").vocab


def spans_of(indices, **settings):
    return [tuple(span) for span in tags_to_spans(np.array([indices]), np.array([len(indices)]), **settings).tolist()]


@given(st.lists(st.integers(0, len(TAGS) - 1), min_size=1, max_size=12))
def test_spans_are_those_of_the_string_functions(indices):
    names = [TAGS[i] for i in indices]
    expected = [(start, end, LABELS.index(label)) for start, end, label in bio_to_spans(names)]
    assert [span[1:] for span in spans_of(indices)] == expected


@given(st.lists(st.integers(0, len(TAGS) - 1), min_size=1, max_size=12))
def test_the_strict_reading_drops_what_an_inside_tag_begins(indices):
    names = [TAGS[i] for i in indices]
    expected = [span[:2] for span in bio_to_spans(names) if names[span[0]].startswith("B-")]
    assert [span[1:3] for span in spans_of(indices, strict=True)] == expected


@given(st.lists(st.lists(st.integers(0, len(TAGS) - 1), min_size=1, max_size=5), min_size=1, max_size=4))
def test_rows_do_not_reach_into_each_other_nor_into_the_padding(rows):
    tags = np.full((len(rows), 6), 2)
    for i, row in enumerate(rows):
        tags[i, : len(row)] = row
    found = tags_to_spans(tags, np.array([len(row) for row in rows])).tolist()
    assert found == [[i, *span[1:]] for i, row in enumerate(rows) for span in spans_of(row)]


def test_tags_of_a_doc_with_gaps_and_an_unknown_label():
    doc = Doc(VOCAB, words=list("uvwxyz"), ents=["B-a", "I-a", "O", "", "B-geo-loc", "B-other"])
    tags = doc_tags(doc, LABELS).tolist()
    assert tags == [TAGS.index("B-a"), TAGS.index("I-a"), 0, MISSING, TAGS.index("B-geo-loc"), UNKNOWN_LABEL]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # Finer than the gold tokens: an entity's tokens are found again.
        (["New", "York", "'", "s", "port"], ["B-a", "I-a", "O", "O", "O"]),
        # An entity that ends within a predicted token cannot be learned from.
        (["New", "York's", "port"], [None, None, "O"]),
        (["New", "York", "'s", "port"], ["B-a", "I-a", "O", "O"]),
    ],
)
def test_gold_tags_are_aligned_to_other_tokens(words, expected):
    gold_words, spaces = ["New", "York", "'s", "port"], [True, False, True, False]
    gold = Doc(VOCAB, words=gold_words, spaces=spaces, ents=["B-a", "I-a", "O", "O"])
    text_spaces = {"New": True, "York's": True, "'s": True, "s": True}
    predicted = Doc(VOCAB, words=words, spaces=[text_spaces.get(word, False) for word in words])
    assert predicted.text == gold.text
    tags = aligned_tags(Example(predicted, gold), LABELS)
    assert [None if tag == MISSING else TAGS[tag] for tag in tags] == expected
