import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.lang.en import English

from spacy_crossner.data.faults import BRACKET, BROKEN_ENTITY, CUTS_TOKEN, EMPTY_LABEL, Faults
from spacy_crossner.data.markup import parse_markup, read_markup
from spacy_crossner.data.reading import open_files
from spacy_crossner.errors import DataError

TOKENIZER = English().tokenizer

PLAIN = st.text("ab []\\()é\u00a0", max_size=6)
LABEL = st.text("xy -_é", min_size=1, max_size=4)


def read(*lines, repair=False):
    faults = Faults("text.txt", repair)
    return list(read_markup(list(enumerate(lines, 1)), TOKENIZER, faults)), faults


def escape(text):
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


@given(st.lists(st.tuples(PLAIN, PLAIN, LABEL), max_size=4), PLAIN)
def test_what_is_written_is_read(pieces, tail):
    plain, source, spans = "", "", []
    for before, words, label in pieces:
        plain += before
        spans.append((len(plain) + 1, len(plain) + 1 + len(words), " ".join(label.split())))
        plain += words
        source += f"{escape(before)}[{escape(words)}]({label})"
    # Letters around it, as blanks at the ends of a line do not count.
    assert parse_markup((1, f"  x{source}{escape(tail)}x\t"), Faults("text.txt")) == (f"x{plain}{tail}x", spans)


@given(st.text("a[]()\\ ", max_size=12))
def test_repair_keeps_every_letter_or_refuses_a_broken_entity(source):
    faults = Faults("text.txt", repair=True)
    plain, spans, refused = "", [], ""
    try:
        plain, spans = parse_markup((1, source), faults)
    except DataError as error:
        refused = error.code
    if refused:
        assert (refused, "](" in source) == (BROKEN_ENTITY.code, True)
        return
    assert plain.count("a") >= source.count("a") - sum(label.count("a") for _, _, label in spans)
    assert all(0 <= start <= end <= len(plain) for start, end, _ in spans)
    if "[" not in source and "]" not in source:
        assert (plain, spans) == (source.strip(" ").replace("\\\\", "\\"), [])


@pytest.mark.parametrize(
    ("line", "words", "spans"),
    [
        ("[Ada](person) left [New York](location).", "Ada left New York .", [(0, 1, "person"), (2, 4, "location")]),
        (r"See \[1\] and a\b, C:\\d.", r"See [ 1 ] and a\b , C:\d .", []),
        (r"[f\[x\]](product) ran", "f[x ] ran", [(0, 2, "product")]),
        ("f(x) and (y) stay.", "f(x ) and ( y ) stay .", []),
        ("[Ada](person)", "Ada", [(0, 1, "person")]),
        ("[Ada](person)'s notes", "Ada 's notes", [(0, 1, "person")]),
        ("[Ada](person)[Bob](person)", None, "CUTS"),
        ("It rained.", "It rained .", []),
    ],
)
def test_sentences(line, words, spans):
    if words is None:
        with pytest.raises(DataError, match="C110"):
            read(line)
        return
    (sentence,), _ = read(line)
    assert (" ".join(sentence.words), sentence.spans) == (words, spans)


def test_blanks_and_lines_are_kept():
    sentences, _ = read("", "  [Ada](person)  left.\t", " ", "Bob.")
    assert [sentence.line for sentence in sentences] == [2, 4]
    assert sentences[0].words == ["Ada", " ", "left", "."]
    assert sentences[0].spaces == [True, False, False, False]
    assert sentences[0].spans == [(0, 1, "person")]


@pytest.mark.parametrize(
    ("line", "code", "found"),
    [
        ("see [1] for it", "C113", "'[1]' at column 5 with no '(label)' after it"),
        ("  see [1]", "C113", "'[1]' at column 7"),
        ("see 1] for it", "C113", "a ']' at column 6 that no '[' opens"),
        ("see [1 for it", "C113", "a '[' at column 5 that no ']' closes"),
        ("[a [b](x)](y)", "C113", "a '[' at column 1 with another '['"),
        ("[Ada](person", "C127", "a label '(person' that no ')' closes"),
        ("[Ada](person[x])", "C127", "a label '(person[x])' that no ')' closes, or with a bracket"),
        ("[Ada]() left", "C109", "no label for the span 0-3, 'Ada'"),
        ("[Ada](  ) left", "C109", "no label"),
        ("[](person) left", "C112", "the span 0-0 (person)"),
        ("in [Swed](location)ish", "C110", "'Swed' (location), at 3-7, where the tokens are 'Swedish'"),
        ("in [Rome ](location) now", "C110", "'Rome ' (location), at 3-8, where the tokens are 'Rome'"),
    ],
)
def test_errors(line, code, found):
    with pytest.raises(DataError, match=rf"^\[{code}\] text.txt, line 2: ") as caught:
        read("fine", line)
    assert f"found {found}" in str(caught.value)
    if code == "C113":
        assert r"\[ and \]" in str(caught.value)


def test_repair():
    sentences, faults = read(r"See [1] of [Swed](misc)ish [Ada]() and \[2\] [Rome ](location)", repair=True)
    assert " ".join(sentences[0].words) == "See [ 1 ] of Swedish Ada and [ 2 ] Rome"
    assert sentences[0].spans == [(5, 6, "misc"), (11, 12, "location")]
    assert faults.repairs == {BRACKET.repair: 2, CUTS_TOKEN.repair: 2, EMPTY_LABEL.repair: 1}


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("[Ada](person) left\n", "markup"),
        ("[Ada](person left\n", "markup"),
        ("Bob left.\n[Ada](person) O\nCy [a](b)\n", "markup"),
        ("Ada B-person\n[x](y) O\nleft O\n", "conll"),
    ],
)
def test_markup_is_told_from_columns_by_what_most_lines_are(tmp_path, text, format):
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf8")
    assert open_files([path])[0].format == format
