import codecs
import gzip

import pytest

from spacy_crossner.data.convert import convert
from spacy_crossner.data.faults import Faults
from spacy_crossner.data.files import read_lines
from spacy_crossner.errors import DataError

TEXT = "Zoë\tB-PER\nleft\tO\n\n東京\tB-LOC\n"
ENCODED = {
    "UTF-8 with a mark": codecs.BOM_UTF8 + TEXT.encode(),
    "UTF-16 LE": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "UTF-16 BE": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-32 LE": codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
    "UTF-32 BE": codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
    "UTF-16 with CRLF": codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    "CR alone": TEXT.replace("\n", "\r").encode(),
    "UTF-16 with CR alone": codecs.BOM_UTF16_BE + TEXT.replace("\n", "\r").encode("utf-16-be"),
}


def read(path):
    return list(read_lines(Faults(path)))


@pytest.mark.parametrize("name", ENCODED)
@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_a_byte_order_mark_decides(tmp_path, name, suffix):
    path = tmp_path / f"train{suffix}"
    path.write_bytes(gzip.compress(ENCODED[name]) if suffix.endswith(".gz") else ENCODED[name])
    assert read(path) == [(1, "Zoë\tB-PER"), (2, "left\tO"), (3, ""), (4, "東京\tB-LOC")]
    (file,) = convert(path, tmp_path / "x.spacy", "news").files
    assert (file.sentences, file.tokens, file.entities) == (2, 3, {"PER": 1, "LOC": 1})


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("Ada\tO\nZoë\tO\n".encode("latin-1"), 2, "the byte 0xeb at offset 8, which is not UTF-8 ('ë' in Latin-1"),
        (codecs.BOM_UTF8 + b"Zo\xeb\tO\n", 1, "the byte 0xeb at offset 5,"),
        (b"Ada \x81 O\n", 1, "the byte 0x81 at offset 4, which is not UTF-8;"),
        ("Ada\tO\n".encode("utf-16-le"), 1, "NUL bytes, as in UTF-16 or UTF-32 without a byte order mark"),
        ("Ada\tO\n".encode("utf-16-be"), 1, "NUL bytes, as in UTF-16"),
        ("\nAda\tO\n".encode("utf-16-le"), 2, "NUL bytes, as in UTF-16"),
        ("Ada\tO\n".encode("utf-32-le"), 1, "NUL bytes, as in UTF-16"),
        (
            codecs.BOM_UTF16_LE + "Ada O\nB".encode("utf-16-le") + b"\x00\xd8",
            2,
            "bytes at offset 16 that are not UTF-16",
        ),
        (codecs.BOM_UTF16_LE + b"A\x00\n", 1, "bytes at offset 4 that are not UTF-16"),
    ],
)
def test_other_encodings_are_refused_by_name(tmp_path, content, line, found):
    path = tmp_path / "train.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"^\[C102\] {path}, line {line}: found ") as caught:
        read(path)
    assert f"found {found}" in str(caught.value)
    assert "iconv -f ENCODING -t UTF-8" in str(caught.value)


@pytest.mark.parametrize("odd", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_odd_line_ends_inside_a_line_do_not_break_it(tmp_path, odd):
    path = tmp_path / "raw.txt"
    for encoding in ("utf-8", "utf-16"):
        path.write_bytes(f"one{odd}two\nthree\r\n".encode(encoding))
        assert read(path) == [(1, f"one{odd}two"), (2, "three")]


def test_a_nul_in_a_token_is_no_utf16(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_bytes(b"token\0\tO\n")
    assert read(path) == [(1, "token\0\tO")]


def test_a_damaged_gzip_file_is_refused(tmp_path):
    path = tmp_path / "train.txt.gz"
    packed = bytearray(gzip.compress(TEXT.encode() * 50))
    packed[14] ^= 0xFF
    path.write_bytes(bytes(packed))
    with pytest.raises(DataError, match=r"\[C101\]"):
        read(path)
