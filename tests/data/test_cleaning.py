import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.data.cleaning import clean_label


@pytest.mark.parametrize(
    ("label", "cleaned"),
    [
        ("PER", "PER"),
        (" PER\u00a0", "PER"),
        ("P\u200bE\u200dR\ufeff", "PER"),
        ("per\u00adson", "person"),
        ("creative\u00a0 work", "creative work"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u200e\u2060 \u00ad", ""),
        ("人名\u3000", "人名"),
    ],
)
def test_what_is_left_of_a_label(label, cleaned):
    assert clean_label(label) == cleaned


@given(st.text())
def test_a_clean_label_stays_as_it_is(label):
    assert clean_label(clean_label(label)) == clean_label(label)
