"""Annotation from mentions and probabilities, against rules written out token by token."""

import numpy as np
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.annotations.tags import bio_to_spans, label_tags
from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.silver.annotating import (
    Annotation,
    Outside,
    Sure,
    Weak,
    annotate,
    find_sure,
    is_fragment,
    may_be_name,
    set_annotation,
)

LABELS = ["x", "y"]
TAGS = label_tags(LABELS)


def probabilities(*rows):
    """Return rows of tag probabilities, each given as `tag=p`; the rest is O."""
    table = np.zeros((len(rows), len(TAGS)))
    for i, row in enumerate(rows):
        for pair in row.split():
            tag, _, value = pair.partition("=")
            table[i, TAGS.index(tag)] = float(value)
        table[i, 0] += 1 - table[i].sum()
    return table


def spans_of(*rows, sure=0.7):
    return find_sure(probabilities(*rows), LABELS, sure, 0.9).spans


def test_an_entity_is_sure_if_all_its_tags_and_its_end_are():
    assert spans_of("B-x=0.8", "I-x=0.7", "") == [(0, 2, "x")]
    assert spans_of("B-x=0.8", "I-x=0.69", "") == []
    # The end: the entity may go on with a probability of 0.3 at most.
    assert spans_of("B-x=0.8", "I-x=0.3") == [(0, 1, "x")]
    assert spans_of("B-x=0.8", "I-x=0.31") == []
    assert spans_of("B-x=0.8") == [(0, 1, "x")]
    assert spans_of("B-x=0.8", "B-x=0.75", "I-x=0.9") == [(0, 1, "x"), (1, 3, "x")]
    assert spans_of("B-x=0.8", "I-y=0.9") == [(0, 1, "x")]
    assert spans_of("I-x=0.8") == []
    assert spans_of() == []


def test_where_o_is_sure_and_where_it_is_probable():
    sure = find_sure(probabilities("B-x=0.05", "B-x=0.4", "B-x=0.6"), LABELS, 0.7, 0.9)
    assert sure.outside.tolist() == [True, False, False]
    assert sure.probably_outside.tolist() == [True, True, False]


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(any), max_size=6), st.sampled_from([0.51, 0.7])
)
def test_sure_entities_are_those_of_the_sure_tags(rows, sure):
    table = np.array([np.array(row) / sum(row) for row in rows]).reshape(-1, 5)
    tags = [next((TAGS[i] for i in range(5) if row[i] >= sure), None) for row in table]
    expected = [
        (start, end, label)
        for start, end, label in bio_to_spans(tags)
        if tags[start] == f"B-{label}"
        if end == len(tags) or table[end, TAGS.index(f"I-{label}")] <= 1 - sure
    ]
    assert find_sure(table, LABELS, sure, 0.9).spans == expected


def show(n_tokens, weak, sure, outside, labels=LABELS):
    """Return the tags of an annotation in one line, and the number of contradicted mentions."""
    annotation, contradicted = annotate(n_tokens, weak, sure, labels, Outside(outside))
    tags = ["O" if is_outside else "?" for is_outside in annotation.outside]
    for start, end, label in annotation.spans:
        assert set(tags[start:end]) == {"?"}
        tags[start:end] = [f"B{label}"] + [f"I{label}"] * (end - start - 1)
    return " ".join(tags), contradicted


@pytest.mark.parametrize(
    ("outside", "expected"),
    [("outside", "O Bx Ix O ? O"), ("lowercase", "O Bx Ix O ? O"), ("unknown", "? Bx Ix ? ? ?")],
)
def test_names_alone(outside, expected):
    assert show(6, Weak([(1, 3, "x")], [(4, 5)]), None, outside) == (expected, 0)


# Sure of y at 0, of O at 1 and 2; O is probable at 3, not at 4.
SURE = Sure([(0, 1, "y")], np.array([0, 1, 1, 0, 0], dtype=bool), np.array([0, 1, 1, 1, 0], dtype=bool))


@pytest.mark.parametrize(
    ("outside", "expected"), [("teachers", "By O O ? ?"), ("outside", "By O O O ?"), ("unknown", "By ? ? ? ?")]
)
def test_teachers_alone(outside, expected):
    assert show(5, Weak([], []), SURE, outside) == (expected, 0)


@pytest.mark.parametrize(
    ("spans", "open_", "expected", "contradicted"),
    [
        # Where the teachers are not sure, the name counts.
        ([(3, 5, "x")], [], "By O O Bx Ix", 0),
        # Both say the same.
        ([(0, 1, "y")], [], "By O O ? ?", 0),
        # Another type, or other borders: neither counts.
        ([(0, 1, "x")], [], "? O O ? ?", 1),
        ([(0, 2, "y")], [], "? O O ? ?", 1),
        # The teachers are sure of O at one of the tokens.
        ([(2, 4, "x")], [], "By O O ? ?", 1),
        # A type of the weak stage, which the teachers do not know: their O says nothing, but their entity counts.
        ([(1, 4, "Weak")], [], "By BWeak IWeak IWeak ?", 0),
        ([(0, 1, "Weak")], [], "By O O ? ?", 1),
        ([(3, 5, "Weak")], [], "By O O BWeak IWeak", 0),
        # An ambiguous name: what the teachers are sure of counts.
        ([], [(0, 1), (2, 4)], "By O O ? ?", 0),
        # A name of two, of which one overlaps the teachers' entity.
        ([(0, 1, "x"), (1, 2, "x")], [], "? O O ? ?", 2),
    ],
)
def test_names_with_teachers(spans, open_, expected, contradicted):
    assert show(5, Weak(spans, open_), SURE, "teachers") == (expected, contradicted)


def test_o_that_is_only_probable_does_not_count_in_an_ambiguous_name():
    assert show(5, Weak([], [(2, 4)]), SURE, "outside") == ("By O O ? ?", 0)


def test_two_names_within_an_entity_of_the_teachers():
    sure = Sure([(0, 2, "x")], np.zeros(2, dtype=bool), np.zeros(2, dtype=bool))
    assert show(2, Weak([(0, 1, "x"), (1, 2, "y")], []), sure, "teachers") == ("? ?", 2)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 1, False), (1, 2, True), (3, 4, True), (3, 5, True), (1, 5, False), (6, 7, False), (5, 6, True)],
)
def test_spans_beside_a_hyphen_and_spans_without_a_word(start, end, expected):
    assert is_fragment(["the", "self", "–", "critical", "net", ",", "too"], start, end) == expected


def test_the_annotation_of_a_doc_is_kept_in_a_docbin(tmp_path):
    doc = Doc(Vocab(), words=["a", "b", "c", "d"])
    annotation = Annotation([(1, 3, "x")], np.array([True, False, False, False]))
    assert annotation.share() == 0.75
    set_annotation(doc, annotation)
    write_docbin([doc], tmp_path / "out.spacy")
    (read,) = read_docbin(tmp_path / "out.spacy", Vocab())
    assert [token.ent_iob_ for token in read] == ["O", "B", "I", ""]
    assert [(ent.start, ent.end, ent.label_) for ent in read.ents] == [(1, 3, "x")]
    set_annotation(Doc(Vocab()), Annotation([], np.zeros(0, dtype=bool)))


def test_words_with_a_capital_may_be_names():
    words = ["The", "Mark", "of", "iPhone", "3", "and", "IBM", "left", "Of"]
    doc = Doc(spacy.blank("en").vocab, words=words)
    assert [token.text for token in doc if may_be_name(token)] == ["Mark", "iPhone", "IBM"]
