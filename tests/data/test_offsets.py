import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.data.faults import Faults
from spacy_crossner.data.offsets import Mark, MarkedText, resolve_offsets
from spacy_crossner.errors import DataError

WIDTHS = {"UTF-16 units": "utf-16-le", "bytes": "utf-8"}
SHIFT = "\U0001f4c9 \u00dcber "
WORDS = SHIFT + "Ada met Bob in Oslo , and Eve too"
NAMES = ["Ada", "Bob", "Oslo", "Eve"]


def span(text, words, unit="characters", surface=None):
    """Return a span of words in a text as a tool that counts so has it, with a label that names its words."""
    start = text.index(words)
    if unit == "characters":
        return Mark(start, start + len(words), words, 1, surface)
    width = 2 if unit == "UTF-16 units" else 1
    before, inside = (len(part.encode(WIDTHS[unit])) // width for part in (text[:start], words))
    return Mark(before, before + inside, words, 1, surface)


def resolve(*texts, repair=False):
    faults = Faults("x.jsonl", repair)
    items = [MarkedText(text, marks, faults) for text, marks in texts]
    spans = resolve_offsets(items, faults)
    # Each label names the words that have to stand there.
    for item, found in zip(items, spans, strict=True):
        for start, end, label in found:
            assert item.text[start:end] == label
    return [[label for _, _, label in found] for found in spans], faults


@pytest.mark.parametrize("unit", ["characters", *WIDTHS])
@pytest.mark.parametrize("recorded", [False, True])
def test_the_unit_of_a_file(unit, recorded):
    marks = [span(WORDS, name, unit, name if recorded else None) for name in NAMES]
    ascii_marks = [span("Ada left", "Ada")]
    found, faults = resolve((WORDS, marks), ("Ada left", ascii_marks))
    assert found == [NAMES, ["Ada"]]
    assert faults.notes == ({} if unit == "characters" else {f"spans whose offsets count {unit}, read so": 5})


@pytest.mark.parametrize("unit", WIDTHS)
def test_an_edge_within_a_word_does_not_hide_the_unit(unit):
    marks = [span(WORDS, name, unit) for name in NAMES]
    found, _ = resolve((WORDS, [*marks, span(WORDS, "to", unit)]))
    assert found == [[*NAMES, "to"]]


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("unit", WIDTHS)
def test_units_that_are_mixed(unit, repair):
    marks = [span(WORDS, name, unit) for name in NAMES]
    texts = (WORDS, [span(WORDS, name) for name in NAMES]), (WORDS, marks)
    if not repair:
        with pytest.raises(DataError, match=rf"C144.*x.jsonl, line 1: found the span .* spans fit as {unit}"):
            resolve(*texts)
    else:
        found, faults = resolve(*texts, repair=True)
        assert found == [NAMES, []]
        assert (faults.tally.seen, faults.tally.lost) == (4, 4)


@pytest.mark.parametrize("repair", [False, True])
def test_a_unit_that_cannot_be_told(repair):
    marks = [span(WORDS, "Bob", "bytes"), *(Mark(start, start + 2, "x", 1) for start in (12, 20, 32))]
    with pytest.raises(DataError, match=r"C144.*1 fit as bytes and not as characters, 3 in neither"):
        resolve((WORDS, marks), repair=repair)


def test_spans_that_fit_in_two_other_units_in_two_ways():
    # As characters it is a blank, one unit earlier "b", three bytes earlier "a".
    with pytest.raises(DataError, match=r"C144.*1 fit as UTF-16 units and .* 1 fit as bytes and"):
        resolve(("\U0001f600 a b cd", [Mark(5, 6, "x", 1)]))


def test_characters_come_first_and_the_other_unit_is_noted():
    text = "\U0001f600\U0001f600 a b c"
    found, faults = resolve((text, [Mark(5, 6, "b", 1)]))
    assert found == [["b"]]
    assert faults.notes == {"spans that fit as UTF-16 units, too, and were read as characters": 1}


def test_words_that_are_nowhere():
    mark = span(WORDS, "Ada", surface="Eve")
    with pytest.raises(DataError, match=r"C145.*found the span .*where the text is 'Ada' and not 'Eve'"):
        resolve((WORDS, [mark]))
    found, faults = resolve((WORDS, [mark]), repair=True)
    assert (found, faults.tally.lost) == ([[]], 1)


def test_blanks_of_recorded_words_do_not_count():
    text = "\U0001f600 New\n York"
    assert resolve((text, [Mark(2, 11, "New\n York", 1, "New York")]))[0] == [["New\n York"]]


def test_scripts_without_blanks_are_read_as_characters():
    text = "\U0001f600\u6771\u4eac\u90fd\u306b\u884c\u304f"
    assert resolve((text, [Mark(1, 3, "\u6771\u4eac", 1)]))[0] == [["\u6771\u4eac"]]


@given(
    words=st.lists(
        st.sampled_from(["Ada", "\u00dcbung", "\U0001f600", "\U0001d504b", "le", "caf\u00e9"]), min_size=2, max_size=9
    ),
    unit=st.sampled_from(["characters", *WIDTHS]),
    data=st.data(),
)
def test_recorded_words_always_come_back(words, unit, data):
    """Each word numbered, so that it stands in the text once."""
    words = [f"{word}{i}" for i, word in enumerate(words)]
    text = " ".join(words)
    chosen = data.draw(st.lists(st.sampled_from(words), min_size=1, unique=True))
    assert resolve((text, [span(text, word, unit, word) for word in chosen]))[0] == [chosen]
