import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_crossner.data.normal_form import name_key
from spacy_crossner.errors import CrossnerError
from spacy_crossner.text.entities import read_entities

# Anything that UTF-8 holds but ends of lines and of columns.
FIELD = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\n\r\t\0")).filter(name_key)


def write(tmp_path, content):
    path = tmp_path / "names.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_typed(tmp_path):
    entities = read_entities(write(tmp_path, "\ufeffdeep net\tfield\t12\n\n C 4.5 \talgorithm\r\ndeep net\ttask\n"))
    assert entities.names == ["deep net", "C 4.5", "deep net"]
    assert entities.types == ["field", "algorithm", "task"]
    assert entities.known_types() == ["algorithm", "field", "task"]


def test_plain(tmp_path):
    entities = read_entities(write(tmp_path, "  \ndeep   net\nAda\u00a0Lovelace"))
    assert entities.names == ["deep net", "Ada Lovelace"]
    assert entities.types is None
    assert entities.known_types() == []


def test_gzip(tmp_path):
    path = tmp_path / "names.txt.gz"
    path.write_bytes(gzip.compress("näme\n".encode()))
    assert read_entities(path).names == ["näme"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
def test_what_is_written_is_read(tmp_path, rows):
    entities = read_entities(write(tmp_path, "".join(f"{name}\t{kind}\n" for name, kind in rows)))
    # A byte order mark before the first name is none of the name.
    first = rows[0][0].removeprefix("\ufeff")
    assert entities.names == [name_key(name) for name in [first, *(name for name, _ in rows[1:])]]
    assert entities.types == [kind.strip() for _, kind in rows]


@pytest.mark.parametrize(
    ("content", "code", "line", "message"),
    [
        ("a\tx\n\ty\n", "C404", 2, "an empty name"),
        ("a\tx\n \u00a0\ty\n", "C404", 2, "an empty name"),
        ("\0\nb\n", "C404", 1, "an empty name"),
        ("a\tx\n\nb\n", "C404", 3, "'b' without a tab"),
        ("a\tx\nb\t \n", "C404", 2, "no type for 'b'"),
        ("a\nb\tx\n", "C404", 2, "a tab"),
        (b"a\nb\n\xff\n", "C102", 3, "0xff"),
        ("\n  \n", "C405", None, "holds no name"),
        ("", "C405", None, "holds no name"),
    ],
)
def test_faults_have_a_line(tmp_path, content, code, line, message):
    path = write(tmp_path, content)
    with pytest.raises(CrossnerError) as error:
        read_entities(path)
    text = str(error.value)
    assert text.startswith(f"[{code}] {path}")
    assert message in text
    assert line is None or f", line {line}: " in text


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CrossnerError, match=r"\[C101\].*no-list"):
        read_entities(tmp_path / "no-list")
    packed = gzip.compress(b"name\n" * 10000)
    path = tmp_path / "names.gz"
    for damaged in (b"name\n", packed[:40], packed[:20] + b"\xff" * 8 + packed[28:], packed[:-6]):
        path.write_bytes(damaged)
        with pytest.raises(CrossnerError, match=r"\[C(101|414)\].*names.gz"):
            read_entities(path)
