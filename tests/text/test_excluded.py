import gzip
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.data.normal_form import sentence_key
from spacy_crossner.errors import CrossnerError
from spacy_crossner.text.excluded import SHORTEST_WITHIN, Excluded, read_excluded

LONG = "The net of Ada Lovelace was never built ."


def find(excluded, lines):
    """Return the sentences, given by line, that are left out."""
    sentences = [sentence for line in lines for sentence in line]
    numbers = [number for number, line in enumerate(lines) for _ in line]
    return [sentences[place] for place in excluded.find([sentence_key(text) for text in sentences], numbers)]


@pytest.mark.parametrize(
    ("sentence", "lines", "left_out"),
    [
        ("Oslo .", [["Oslo."], ["oslo  ."], ["Oslo!"], ["In Oslo."]], ["Oslo.", "oslo  ."]),
        # Over sentences, as they were split here: a short one where it is the whole line.
        ("yes . no .", [["No.", "yes."], ["Yes.", "no."], ["Yes.", "No.", "So."]], ["Yes.", "no."]),
        # A long one wherever it stands, also over lines.
        (LONG, [["THE net of Ada Lovelace was never built."]], ["THE net of Ada Lovelace was never built."]),
        (
            LONG,
            [["A.", "The net of Ada", "Lovelace was never built.", "B."]],
            ["The net of Ada", "Lovelace was never built."],
        ),
        (
            LONG,
            [["We know: the net of Ada Lovelace was never built.", "B."]],
            ["We know: the net of Ada Lovelace was never built."],
        ),
        (
            LONG,
            [["A."], ["The net of Ada"], ["Lovelace was never built."]],
            ["The net of Ada", "Lovelace was never built."],
        ),
        (LONG, [["The net of Ada Lovelace was built."]], []),
        # A paragraph to exclude is its sentences, too.
        ("It is so. " + LONG, [["It is so."], [LONG]], ["It is so.", LONG]),
    ],
)
def test_what_is_left_out(sentence, lines, left_out):
    assert find(Excluded([sentence]), lines) == left_out


def test_the_border_between_short_and_long():
    short, long = "x" * (SHORTEST_WITHIN - 1), "ö" * SHORTEST_WITHIN
    lines = [[f"a{short}"], [short.upper()], [f"a{long} b"], ["ö" * (SHORTEST_WITHIN - 1)]]
    assert find(Excluded([short, long]), lines) == [short.upper(), f"a{long} b"]


def test_nothing_to_exclude():
    assert find(Excluded([]), [["a"], ["b", "c"]]) == []
    assert find(Excluded([" "]), [["a"]]) == []


WORDS = st.lists(st.sampled_from(["Ab", "ab", "a", "É", "longerword", "."]), min_size=1, max_size=6)


@given(st.lists(WORDS, max_size=6), st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=1, max_size=5))
def test_no_text_of_an_excluded_sentence_is_left(excluded, lines):
    # No sentence is to be split here, as the words know no upper case after a period.
    excluded = [" ".join(words).lower() for words in excluded]
    lines = [[" ".join(words) for words in line] for line in lines]
    left_out = find(Excluded(excluded), lines)
    kept = [sentence for line in lines for sentence in line if sentence not in left_out]
    keys = {"".join(sentence.split()).casefold() for sentence in excluded}
    for sentence in kept:
        key = "".join(sentence.split()).casefold()
        assert key not in keys
        assert not any(other in key for other in keys if len(other) >= SHORTEST_WITHIN)
    # Nothing is left out that shares no word with what is excluded.
    words = set("".join(excluded).lower())
    for sentence in left_out:
        assert set("".join(sentence.split()).casefold()) & words


def test_files_of_every_kind(tmp_path):
    write_docbin([Doc(Vocab(), words=["Nets", "learn", "."])], tmp_path / "dev.spacy")
    (tmp_path / "columns.txt").write_text("Oslo\tB-place\n.\tO\n\nBergen\tB-place\n!\tO", encoding="utf8")
    record = {"text": "It rains. They do not.", "spans": []}
    (tmp_path / "test.jsonl").write_text(json.dumps(record), encoding="utf8")
    (tmp_path / "markup.txt").write_text("[Ada](person) came.\n", encoding="utf8")
    (tmp_path / "plain.txt.gz").write_bytes(gzip.compress(b"Plain text here.\nAnd here.\n"))
    excluded = read_excluded(sorted(tmp_path.iterdir()))
    sentences = [
        "Nets learn.",
        "Oslo.",
        "Bergen!",
        "It rains.",
        "They do not.",
        "Ada came.",
        "Plain text here.",
        "And here.",
    ]
    assert find(excluded, [[sentence] for sentence in [*sentences, "Nets do."]]) == sentences


def test_a_missing_file(tmp_path):
    with pytest.raises(CrossnerError, match=r"none.txt: found"):
        read_excluded([tmp_path / "none.txt"])
    with pytest.raises(CrossnerError, match=r"none.spacy: found"):
        read_excluded([tmp_path / "none.spacy"])


SHORT = "Zürich’s „Größe“ – 5 %."
SPELLINGS = [
    SHORT,
    unicodedata.normalize("NFD", SHORT),
    SHORT.replace(" ", "\u00a0"),
    SHORT.replace(" ", "\u2009\u202f"),
    SHORT.replace("Größe", "Grö\u00adße"),
    SHORT.replace("Größe", "\u2060Gr\u200böße"),
    SHORT.replace("„", '"').replace("“", '"').replace("’", "'"),
    SHORT.replace("„", "«").replace("“", "»"),
    SHORT.replace("„", "`` ").replace("“", " ''"),
    SHORT.replace("–", "—"),
    SHORT.replace("–", "--"),
    SHORT.upper(),
    "Zürich ’s „ Größe “ – 5 % .",
]


@pytest.mark.parametrize("of_test", SPELLINGS)
@pytest.mark.parametrize("words", ["", "Nur die Leute hier wissen es nicht, und wir"])
def test_no_spelling_of_a_sentence_is_left(of_test, words):
    # Within a longer sentence, too, where it is long enough.
    of_test = f"{words} {of_test}"
    spellings = [f"{words} {spelling}".strip() for spelling in SPELLINGS]
    excluded = Excluded([of_test])
    lines = [[spelling] for spelling in spellings] + (
        [[f"A: {spelling} Ja."] for spelling in spellings] if words else []
    )
    others = [["Zürichs Größe – 5 %."], ["Zürich’s Größe – 6 %."]]
    assert find(excluded, lines + others) == [line[0] for line in lines]
    assert excluded.holding([line[0] for line in lines + others]) == list(range(len(lines)))
