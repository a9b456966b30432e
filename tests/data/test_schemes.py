import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.annotations.tags import bio_to_spans
from spacy_crossner.data.faults import EMPTY_LABEL, ILLEGAL_INSIDE, UNFINISHED, UNKNOWN_TAG
from spacy_crossner.data.schemes import Scheme, detect_scheme, to_bio

LABELS = ["PER", "geo-loc", "Multi-tissue_structure", "S", "E-E"]


@st.composite
def spans_and_length(draw):
    """Draw spans that do not overlap, some of them side by side, and the number of tokens."""
    spans, end = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=5)):
        start, end = end + gap, end + gap + length
        spans.append((start, end, draw(st.sampled_from(LABELS))))
    return spans, end + draw(st.integers(1, 2))


def write(spans, length, scheme):
    """Write spans in a scheme, after the scheme's definition and with none of the package's code."""
    tags = ["O"] * length
    end_of = {}
    for start, end, label in spans:
        for i in range(start, end):
            first, last = i == start, i == end - 1
            if scheme == "bio":
                prefix = "B" if first else "I"
            elif scheme == "iob1":
                prefix = "B" if first and end_of.get(start) == label else "I"
            elif scheme == "bioes":
                prefix = "S" if first and last else "B" if first else "E" if last else "I"
            else:
                prefix = "U" if first and last else "B" if first else "L" if last else "I"
            tags[i] = f"{prefix}-{label}"
        end_of[end] = label
    return tags


def collect():
    """Give a list of reported faults and the function that fills it."""
    faults = []
    return faults, lambda position, fault, found, **values: faults.append((position, fault))


@pytest.mark.parametrize(
    ("written", "scheme"), [("bio", "bio"), ("iob1", "iob1"), ("bioes", "bioes"), ("bilou", "bioes")]
)
@given(spans_and_length())
def test_every_scheme_gives_the_spans_back(written, scheme, case):
    spans, length = case
    faults, report = collect()
    bio = to_bio(write(spans, length, written), Scheme(scheme), report)
    assert bio == write(spans, length, "bio")
    assert bio_to_spans(bio) == spans
    assert faults == []


@given(
    st.lists(
        st.sampled_from(["O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y", "I-", "Z-X", "x"]), max_size=8
    )
)
def test_mended_tags_are_legal_bio(tags):
    for scheme in (Scheme.bio, Scheme.iob1, Scheme.bioes):
        _, report = collect()
        bio = to_bio(tags, scheme, report)
        assert len(bio) == len(tags)
        for before, tag in zip(["O", *bio], bio, strict=False):
            assert tag[0] != "I" or before[1:] == tag[1:]


@pytest.mark.parametrize(
    ("scheme", "tags", "bio", "faults"),
    [
        ("bio", "O I-X I-X", "O B-X I-X", [(1, ILLEGAL_INSIDE)]),
        ("bio", "I-X", "B-X", [(0, ILLEGAL_INSIDE)]),
        ("bio", "B-X I-Y I-Y", "B-X B-Y I-Y", [(1, ILLEGAL_INSIDE)]),
        ("bio", "B-X E-X", "B-X O", [(1, UNKNOWN_TAG)]),
        ("bio", "PER O", "O O", [(0, UNKNOWN_TAG)]),
        ("bio", "o B-X", "O B-X", [(0, UNKNOWN_TAG)]),
        ("bio", "B- I-X", "O B-X", [(0, EMPTY_LABEL), (1, ILLEGAL_INSIDE)]),
        ("iob1", "I-X B-X I-Y", "B-X B-X B-Y", []),
        ("bioes", "B-X O", "B-X O", [(1, UNFINISHED)]),
        ("bioes", "B-X I-X", "B-X I-X", [(1, UNFINISHED)]),
        ("bioes", "B-X S-Y", "B-X B-Y", [(1, UNFINISHED)]),
        ("bioes", "O E-X I-X E-X", "O B-X B-X I-X", [(1, ILLEGAL_INSIDE), (2, ILLEGAL_INSIDE)]),
        ("bioes", "S-X I-X E-X", "B-X B-X I-X", [(1, ILLEGAL_INSIDE)]),
    ],
)
def test_faults(scheme, tags, bio, faults):
    reported, report = collect()
    assert to_bio(tags.split(), Scheme(scheme), report) == bio.split()
    assert reported == faults


@given(st.lists(spans_and_length(), max_size=5))
def test_detection_never_misreads_what_has_evidence(cases):
    spans = [span for case_spans, _ in cases for span in case_spans]
    written = {scheme: [write(*case, scheme) for case in cases] for scheme in ("bio", "iob1", "bioes", "bilou")}
    assert detect_scheme(written["bio"]) == Scheme.bio
    assert detect_scheme(written["bioes"]) == (Scheme.bioes if spans else Scheme.bio)
    assert detect_scheme(written["bilou"]) == (Scheme.bioes if spans else Scheme.bio)
    assert detect_scheme(written["iob1"]) == (Scheme.iob1 if len(spans) > 1 else Scheme.bio)


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["I-X O I-X"], "iob1"),
        (["I-X", "I-Y"], "iob1"),
        (["I-X B-X"], "iob1"),
        (["I-X"], "bio"),  # one slip, or one entity: nothing tells
        (["B-X I-X", "I-X"], "bio"),
        (["I-X O I-X", "B-X"], "bio"),
        (["B-X B-X O"], "bio"),
        (["B-X O B-Y", "B-X E-X"], "bio"),  # one stray E- does not make it BIOES
        (["B-X O", "S-Y"], "bioes"),
        (["PER loc x"], "bio"),
        ([], "bio"),
    ],
)
def test_detection(sentences, scheme):
    assert detect_scheme([tags.split() for tags in sentences]) == scheme
