from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import (
    allowed_starts,
    allowed_transitions,
    bio_to_spans,
    label_tags,
    spans_to_bio,
    split_tag,
)

LABELS = ["person", "geo-loc", "Multi-tissue_structure", "B", "I", "O", "I-B"]


@st.composite
def spans_and_length(draw):
    """Draw spans that do not overlap, some of them side by side, and the number of tokens."""
    spans, end = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=5)):
        start, end = end + gap, end + gap + length
        spans.append((start, end, draw(st.sampled_from(LABELS))))
    return spans, end + draw(st.integers(0, 2))


@given(spans_and_length(), st.randoms(use_true_random=False))
def test_spans_survive_the_way_through_bio(drawn, random):
    spans, length = drawn
    shuffled = random.sample(spans, len(spans))
    tags = spans_to_bio(shuffled, length)
    assert len(tags) == length
    assert bio_to_spans(tags) == spans


@given(spans_and_length())
def test_written_tags_cover_exactly_the_spans(drawn):
    spans, length = drawn
    tags = spans_to_bio(spans, length)
    for i, tag in enumerate(tags):
        (covering,) = [span for span in spans if span[0] <= i < span[1]] or [None]
        if covering is None:
            assert tag == "O"
        else:
            assert tag == ("B-" if i == covering[0] else "I-") + covering[2]


@given(st.lists(st.sampled_from(["O", None, "B-x", "I-x", "B-x-y", "I-x-y"]), max_size=8))
def test_lenient_reading_agrees_with_a_slow_one(tags):
    # A token goes on with the span of the token before it where it is I- of the same label; else it opens one.
    expected = []
    for i, tag in enumerate(tags):
        if tag in (None, "O"):
            continue
        label = tag[2:]
        before = tags[i - 1] if i else None
        if tag[0] == "I" and before not in (None, "O") and before[2:] == label:
            expected[-1] = (expected[-1][0], i + 1, label)
        else:
            expected.append((i, i + 1, label))
    assert bio_to_spans(tags) == expected


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ([], []),
        (["B-x", None, "I-x"], [(0, 1, "x"), (2, 3, "x")]),
        ([None, None], []),
        (["I-x", "I-y", "I-y"], [(0, 1, "x"), (1, 3, "y")]),
        (["B-x", "B-x", "I-x"], [(0, 1, "x"), (1, 3, "x")]),
        (["B-geo-loc", "I-geo-loc", "I-geo"], [(0, 2, "geo-loc"), (2, 3, "geo")]),
    ],
)
def test_spans_of(tags, spans):
    assert bio_to_spans(tags) == spans


@pytest.mark.parametrize(
    ("tag", "parts"),
    [("O", ("O", "")), ("B-x", ("B", "x")), ("I-Multi-tissue_structure", ("I", "Multi-tissue_structure"))],
)
def test_tags_are_split_at_the_first_hyphen(tag, parts):
    assert split_tag(tag) == parts


def test_appended_labels_leave_the_indices_of_the_tags_before_them():
    assert label_tags([]) == ["O"]
    assert label_tags(["y", "geo-loc"]) == ["O", "B-y", "I-y", "B-geo-loc", "I-geo-loc"]
    for n in range(len(LABELS)):
        tags = label_tags(LABELS[:n])
        assert label_tags(LABELS)[: len(tags)] == tags


def all_span_sets(labels, start, length):
    """Return every set of spans that do not overlap, on the tokens from `start` on."""
    if start == length:
        return [[]]
    found = list(all_span_sets(labels, start + 1, length))
    for end in range(start + 1, length + 1):
        for rest in all_span_sets(labels, end, length):
            found += [[(start, end, label), *rest] for label in labels]
    return found


@pytest.mark.parametrize("labels", [LABELS[:1], ["geo-loc", "geo"], ["B", "I", "O"]])
def test_constraints_allow_what_some_set_of_spans_is_written_as(labels):
    tags = label_tags(labels)
    sequences = [spans_to_bio(spans, 3) for spans in all_span_sets(labels, 0, 3)]
    begins = {sequence[0] for sequence in sequences}
    pairs = {pair for sequence in sequences for pair in pairwise(sequence)}
    starts, transitions = allowed_starts(tags), allowed_transitions(tags)
    assert starts.dtype == transitions.dtype == np.bool_
    assert starts.tolist() == [tag in begins for tag in tags]
    assert transitions.tolist() == [[(before, after) in pairs for after in tags] for before in tags]
