import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.lang.en import English

from spacy_crossner.data.characters import clean_label, is_blank_line, is_unseen
from spacy_crossner.data.reading import open_files
from spacy_crossner.errors import DataError


@pytest.mark.parametrize(
    ("label", "clean"),
    [
        ("PER", "PER"),
        ("PER\u200b", "PER"),
        ("\ufeffPER", "PER"),
        ("P\u2060E\u00adR", "PER"),
        ("PER\u200d", "PER"),
        ("P\u200dER", "PER"),
        ("Product\u00a0Name", "Product Name"),
        ("\u3000Product  Name\u00a0", "Product Name"),
        ("cafe\u0301", "caf\u00e9"),
        (
            "\u0646\u0627\u0645\u200c\u0647\u0627",
            "\u0646\u0627\u0645\u200c\u0647\u0627",
        ),  # Persian: the joiner is written
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),  # Hindi
        ("\u0646\u0627\u0645\u200c", "\u0646\u0627\u0645"),
        ("\u200b", ""),
    ],
)
def test_labels_are_cleaned(label, clean):
    assert clean_label(label) == clean
    assert clean_label(clean) == clean


def test_what_shows_nothing():
    assert [is_unseen(text) for text in ("\u200b", "\ufeff\u200d", "", "a\u200b", "\u00a0")] == [
        True,
        True,
        *[False] * 3,
    ]
    assert [is_blank_line(text) for text in ("", " \t", "\u00a0\u200b", "\ufeff", "a", "\x0c")] == [
        *[True] * 4,
        False,
        False,
    ]


def read(tmp_path, text, **options):
    path = tmp_path / "train.txt"
    path.write_text(text, encoding="utf8", newline="")
    (source,) = open_files([path], **options)
    return [(sentence.words, sentence.spans) for sentence in source.read(English().tokenizer)], source.faults


CLEANED = "cleaned of zero-width characters, of no-break and other odd blanks, or put in NFC"


def test_tags_of_columns_are_cleaned_and_counted(tmp_path):
    read_, faults = read(tmp_path, "Ada\tB-PER\u200b\nLove\tI-PER\u00a0\nin\tO\ufeff\nNice\tB-cafe\u0301\n")
    assert read_ == [(["Ada", "Love", "in", "Nice"], [(0, 2, "PER"), (3, 4, "caf\u00e9")])]
    assert faults.notes == {f"tags {CLEANED}": 4}


def test_labels_of_markup_are_cleaned_and_counted(tmp_path):
    read_, faults = read(tmp_path, "[Ada](PER\u200b) met [Bob](PER)\n")
    assert read_ == [(["Ada", "met", "Bob"], [(0, 1, "PER"), (2, 3, "PER")])]
    assert faults.notes == {f"labels {CLEANED}": 1}


def test_a_no_break_space_alone_may_separate_columns(tmp_path):
    read_, faults = read(tmp_path, "Ada\u00a0B-PER\nleft\u2003O\n")
    assert read_ == [(["Ada", "left"], [(0, 1, "PER")])]
    assert faults.notes == {"lines whose columns no-break or other odd blanks separate": 2}


def test_tokens_keep_their_characters(tmp_path):
    words = ["\u200bWhy", "a\u00a0b", "cafe\u0301", "so\u00adft", "\u0646\u0627\u0645\u200c\u0647\u0627"]
    assert read(tmp_path, "".join(f"{word}\tO\n" for word in words))[0] == [(words, [])]


def test_a_token_that_shows_nothing_is_empty(tmp_path):
    text = "Ada\tB-PER\n\u200b\tO\nleft\tO\n"
    with pytest.raises(DataError, match=r"\[C105\].*line 2: found a token of zero-width characters only"):
        read(tmp_path, text)
    read_, faults = read(tmp_path, text, repair=True)
    assert read_ == [(["Ada", "left"], [(0, 1, "PER")])]
    assert list(faults.repairs.values()) == [1]
    with pytest.raises(DataError, match=r"\[C128\].*line 1: .*with the tag 'B-PER'"):
        read(tmp_path, "\u200b\tB-PER\nleft\tO\n", repair=True)


def test_lines_that_show_nothing_separate_sentences(tmp_path):
    read_, faults = read(tmp_path, "Ada B-PER\n\u200b\nBob B-PER\n\u00a0\n")
    assert [words for words, _ in read_] == [["Ada"], ["Bob"]]
    assert list(faults.notes.values()) == [2]
    read_, faults = read(tmp_path, "One line.\n\u200b\n\ufeff \n", raw=True)
    assert [words for words, _ in read_] == [["One", "line", "."]]
    assert list(faults.notes.values()) == [2]


@given(st.text())
def test_a_clean_label_stays_as_it_is(label):
    assert clean_label(clean_label(label)) == clean_label(label)
