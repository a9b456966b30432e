import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_crossner.errors import CrossnerError
from spacy_crossner.text import raw
from spacy_crossner.text.raw import normalise, read_blocks

BLANKS = "".join(chr(point) for point in range(0x3001) if chr(point).isspace() and chr(point) != "\n")
TEXT = st.text(
    st.sampled_from("aB\n é…“—\u0130ßÀ中\u0980😀\u200b\u2010") | st.sampled_from(BLANKS) | st.characters(codec="utf-8")
)


def slow_lines(text):
    """Return the lines that are left, by `str.split`."""
    lines = [" ".join(line.replace("\0", " ").split()) for line in text.split("\n")]
    return [line for line in lines if line]


@given(TEXT)
def test_white_space_is_that_of_split(text):
    assert normalise(text.encode()).decode() == "\n".join(slow_lines(text))


@pytest.mark.parametrize("blank", BLANKS)
def test_each_kind_of_white_space(blank):
    assert normalise(f"{blank}é{blank}{blank}b{blank}\nc".encode()) == "é b\nc".encode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=3), st.integers(1, 40), st.booleans())
def test_blocks_of_any_size_hold_the_same_lines(tmp_path, texts, block, packed):
    paths = []
    for i, text in enumerate(texts):
        paths.append(tmp_path / f"{i}{'.gz' if packed else '.txt'}")
        paths[-1].write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    found = [line for text in read_blocks(paths, block=block) for line in text.decode().split("\n")]
    assert found == [line for text in texts for line in slow_lines(text.removeprefix("\ufeff"))]


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_the_line_that_is_not_utf8(tmp_path, block):
    path = tmp_path / "raw.txt"
    path.write_bytes("ä\n\nb c\r\n".encode() + b"Caf\xe9 x\nd\n")
    with pytest.raises(CrossnerError, match=r"\[C401\] .*raw.txt, line 4: found the byte 0xe9"):
        list(read_blocks([path], block=block))


@pytest.mark.parametrize("block", [1, 4, 20])
def test_a_line_without_end(tmp_path, monkeypatch, block):
    monkeypatch.setattr(raw, "LONGEST_LINE", 50)
    path = tmp_path / "raw.txt"
    path.write_text("short\n" * 3 + "x" * 49 + "\n" + "x" * 50, encoding="utf8")
    assert [len(line) for text in read_blocks([path], block=block) for line in text.split(b"\n")] == [5, 5, 5, 49, 50]
    path.write_text("short\n" * 3 + "x" * 90 + "\nshort\n", encoding="utf8")
    with pytest.raises(CrossnerError, match=r"\[C402\] .*raw.txt, line 4: found more than 50 bytes"):
        list(read_blocks([path], block=block))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(CrossnerError, match=r"\[C400\] .*none.txt: found no such file"):
        list(read_blocks([tmp_path / "none.txt"]))
    with pytest.raises(CrossnerError, match=r"\[C400\] .*found a folder"):
        list(read_blocks([tmp_path]))
    packed = gzip.compress(b"".join(b"line %d\n" % i for i in range(5000)))
    path = tmp_path / "raw.gz"
    for damaged in (b"no gzip\n", packed[:-5], packed[: len(packed) // 2], packed[:30] + b"\xff" * 9 + packed[39:]):
        path.write_bytes(damaged)
        with pytest.raises(CrossnerError, match=r"\[C400\] .*raw.gz: found"):
            list(read_blocks([path]))
