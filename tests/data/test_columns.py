import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_crossner.data.characters import is_unseen
from spacy_crossner.data.faults import EMPTY_LABEL, EMPTY_TOKEN, ILLEGAL_INSIDE, UNKNOWN_TAG, Faults
from spacy_crossner.data.files import read_lines
from spacy_crossner.data.reading import Format, open_files
from spacy_crossner.data.table import split_columns
from spacy_crossner.errors import DataError

# Any character but the two that separate; blanks at the ends of a column do not count as part of it.
WORD = (
    st.text(st.characters(exclude_characters="\t\n\0", exclude_categories=["Cs"]), min_size=1, max_size=6)
    .map(lambda text: text.strip(" ").removesuffix("\r"))
    .filter(lambda text: text.strip(" ") == text != "" and not is_unseen(text) and not text.startswith("\ufeff"))
)


def read(path, **options):
    (source,) = open_files([path], **options)
    return list(source.read(None)), source


def write(folder, text, name="train.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@given(sentences=st.lists(st.lists(WORD, min_size=1, max_size=4), min_size=1, max_size=3), crlf=st.booleans())
def test_any_token_survives(tmp_path_factory, sentences, crlf):
    end = "\r\n" if crlf else "\n"
    text = end.join("".join(f"{word}\tO{end}" for word in words) for words in sentences)
    path = write(tmp_path_factory.mktemp("columns"), text)
    assert [sentence.words for sentence in read(path)[0]] == sentences


@pytest.mark.parametrize(
    "token", ["a\u00a0b", "a\u0085b", "\u2028", "\x14", "\x1c", "a\u200b", "\x0b", "New York", "#", "\ufeffa"]
)
def test_tokens_keep_odd_characters(tmp_path, token):
    sentences, _ = read(write(tmp_path, f"x\tO\n{token}\tB-X\n"))
    assert sentences[0].words == ["x", token]


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("EU\tB-ORG", ["EU", "B-ORG"]),
        ("EU B-ORG", ["EU", "B-ORG"]),
        ("EU NNP I-NP I-ORG", ["EU", "NNP", "I-NP", "I-ORG"]),
        ("EU   B-ORG  \t ", ["EU", "B-ORG"]),
        ("EU \t B-ORG ", ["EU", "B-ORG"]),
        ("New York\tB-LOC", ["New York", "B-LOC"]),
        ("a\u00a0b O", ["a\u00a0b", "O"]),
        ("\tO", ["", "O"]),
        (" O", ["", "O"]),
        ("EU\t\tO", ["EU", "", "O"]),
        ("", [""]),
        (" \t ", [""]),
    ],
)
def test_split_columns(line, columns):
    assert split_columns(line) == columns


LAYOUTS = {
    "blanks": b"EU B-ORG\nleft O\n\nAda B-PER\n",
    "tabs": b"EU\tB-ORG\nleft\tO\n\nAda\tB-PER\n",
    "four columns": b"EU NNP I-NP B-ORG\nleft VBD I-VP O\n\nAda NNP I-NP B-PER\n",
    "three columns": b"EU NNP B-ORG\nleft VBD O\n\nAda NNP B-PER\n",
    "no end": b"EU B-ORG\nleft O\n\nAda B-PER",
    "CRLF": b"EU B-ORG\r\nleft O\r\n\r\nAda B-PER\r\n",
    "CRLF, no end": b"EU B-ORG\r\nleft O\r\n\r\nAda B-PER\r",
    "BOM": b"\xef\xbb\xbfEU B-ORG\nleft O\n\nAda B-PER\n",
    "trailing blanks": b"EU B-ORG  \nleft\tO\t \n \t\nAda\t B-PER \n",
    "blank lines": b"\n\nEU B-ORG\nleft O\n\n\n\nAda B-PER\n\n\n",
    "markers": b"-DOCSTART- -X- O O\n\nEU B-ORG\nleft O\n\n-DOCSTART- -X- O O\n\nAda B-PER\n",
    "marker as boundary": b"-DOCSTART-\nEU B-ORG\nleft O\n-DOCSTART-\tO\nAda B-PER\n-DOCSTART-\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    sentences, source = read(write(tmp_path, LAYOUTS[layout]))
    assert [(sentence.words, sentence.spans) for sentence in sentences] == [
        (["EU", "left"], [(0, 1, "ORG")]),
        (["Ada"], [(0, 1, "PER")]),
    ]
    assert source.format == Format.conll
    assert not source.faults.repairs
    assert not source.faults.notes


def test_lines_are_counted_from_one(tmp_path):
    sentences, _ = read(write(tmp_path, "-DOCSTART- O\n\nEU B-ORG\nleft O\n\n\nAda B-PER\n"))
    assert [sentence.line for sentence in sentences] == [3, 7]


def test_a_changed_number_of_columns_is_noted(tmp_path):
    sentences, source = read(write(tmp_path, "EU NNP B-ORG\nBerlin B-LOC\nAda B-PER\nleft VBD O\nOslo NNP B-LOC\n"))
    assert sentences[0].words == ["EU", "Berlin", "Ada", "left", "Oslo"]
    assert source.faults.notes == {"lines with another number of columns than most, 3": 2}


def test_gzip(tmp_path):
    path = write(tmp_path, gzip.compress(b"EU B-ORG\n"), "train.txt.gz")
    assert read(path)[0][0].words == ["EU"]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"\[C101\].*breaks off"):
        read(path)


@pytest.mark.parametrize(
    ("content", "code", "line", "found"),
    [
        (b"EU B-ORG\nleft\n", "C104", 2, "1 column, 'left'"),
        (b"EU\nleft\n", "C104", 1, "1 column, 'EU'"),
        (b"EU B-ORG\na b c d O\n", "C104", 2, "5 columns"),
        (b"\nIt was late\n", "C104", 2, "3 columns, 'It was late', of which the last is no tag"),
        (b"EU B-ORG\n\tO\n", "C105", 2, "an empty token"),
        (b"EU B-ORG\nleft X-ORG\n", "C106", 2, "the tag 'X-ORG'"),
        (b"EU B-ORG\n\nleft I-ORG\n", "C107", 3, "'I-ORG' with nothing to continue"),
        (b"EU S-ORG\nNew B-LOC\n\nYork E-LOC\n", "C108", 2, "the end of the sentence after 'B-LOC'"),
        (b"EU B-ORG\nleft B-\n", "C109", 2, "the tag 'B-'"),
        (b"", "C103", None, "no sentence"),
        (b"\n \n-DOCSTART- O\n\n", "C103", None, "no sentence"),
        (b"\xc3\xa9\xc3\xa9 O\ncaf\xe9 O\n", "C102", 2, "the byte 0xe9 at offset 10,"),
    ],
)
def test_errors_name_the_line(tmp_path, content, code, line, found):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=rf"^\[{code}\]") as caught:
        read(path)
    assert f"found {found}" in str(caught.value)
    assert (caught.value.code, caught.value.path, caught.value.line) == (code, path, line)
    assert "expected " in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    for path, found in ((tmp_path / "none.txt", "No such file"), (tmp_path, "directory")):
        with pytest.raises(DataError, match=rf"\[C101\].*{found}"):
            read(path)


def test_repair_mends_and_counts(tmp_path):
    text = "EU B-ORG\n\tO\nAda I-PER\nhere X-Y\nnow B-\n\nBob I-PER\n"
    sentences, source = read(write(tmp_path, text), repair=True)
    assert [(sentence.words, sentence.spans) for sentence in sentences] == [
        (["EU", "Ada", "here", "now"], [(0, 1, "ORG"), (1, 2, "PER")]),
        (["Bob"], [(0, 1, "PER")]),
    ]
    expected = {EMPTY_TOKEN: 1, ILLEGAL_INSIDE: 2, UNKNOWN_TAG: 1, EMPTY_LABEL: 1}
    assert source.faults.repairs == {fault.repair: count for fault, count in expected.items()}


def test_repair_cannot_make_a_sentence(tmp_path):
    with pytest.raises(DataError, match="C103"):
        read(write(tmp_path, "\tO\n"), format=Format.conll, repair=True)


def test_the_scheme_is_told_from_all_files(tmp_path):
    train = write(tmp_path, "EU I-ORG\nleft O\n\nAda I-PER\nBob B-PER\n")
    dev = write(tmp_path, "Ada I-PER\n", "dev.txt")
    (alone,) = open_files([dev])
    with pytest.raises(DataError, match="C107"):
        list(alone.read(None))
    both = open_files([train, dev])
    assert [source.scheme for source in both] == ["iob1", "iob1"]
    assert [sentence.spans for sentence in both[1].read(None)] == [[(0, 1, "PER")]]


def test_lines_end_at_line_feeds_only(tmp_path):
    path = write(tmp_path, "\ufeffa\u2028b\r\nc\rd\x85\n\x0ce")
    assert list(read_lines(Faults(path))) == [(1, "a\u2028b"), (2, "c\rd\x85"), (3, "\x0ce")]
