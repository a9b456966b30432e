import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizerFast

from spacy_crossner.dapt import blocks as blocks_module
from spacy_crossner.dapt.blocks import BlockOrder, Blocks, find_ends, tokenize, write_stream
from spacy_crossner.errors import CrossnerError
from spacy_crossner.text.raw import line_place

LINES = ["Ada met Grace in Paris.", "the working lab of Arlington", "", "   ", "  in, the: of!  ", "x" * 90 + " ada"]


@pytest.fixture
def tokenizer(tiny_encoder):
    return AutoTokenizer.from_pretrained(tiny_encoder)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf8")
    return path


def expected_stream(tokenizer, lines):
    """The tokens line by line and word by word, in the tokenizer's own words."""
    ids, starts = [], []
    for line in lines:
        if line.strip():
            pieces = tokenizer.tokenize(line)
            ids += [*tokenizer.convert_tokens_to_ids(pieces), tokenizer.sep_token_id]
            starts += [*(not piece.startswith("##") for piece in pieces), True]
    return ids, starts


def test_the_stream_is_that_of_the_lines(tokenizer, text, tmp_path, monkeypatch):
    # Batches that do not end where the text does.
    monkeypatch.setattr("spacy_crossner.dapt.blocks.LINES_AT_ONCE", 2)
    stream = write_stream([text], tokenizer, tmp_path / "stream")
    ids, starts = expected_stream(tokenizer, LINES)
    assert np.fromfile(tmp_path / "stream" / "ids.bin", dtype=stream.dtype).tolist() == ids
    assert np.fromfile(tmp_path / "stream" / "starts.bin", dtype=bool).tolist() == starts
    assert (stream.lines, stream.tokens) == (4, len(ids))
    assert sum(starts) < len(starts)


def test_several_files_one_gzipped_are_one_text(tokenizer, text, tmp_path):
    (tmp_path / "more.txt.gz").write_bytes(gzip.compress(b"ada works\r\nin the lab"))
    stream = write_stream([text, tmp_path / "more.txt.gz"], tokenizer, tmp_path / "stream")
    ids, _ = expected_stream(tokenizer, [*LINES, "ada works", "in the lab"])
    assert np.fromfile(tmp_path / "stream" / "ids.bin", dtype=stream.dtype).tolist() == ids


def test_without_a_separator_lines_follow_one_another(tokenizer):
    ids, starts = tokenize(["the", "working", "the"], tokenizer, None)
    assert tokenizer.convert_ids_to_tokens(ids) == [*tokenizer.tokenize("the working"), "the"]
    # Each line begins a word, even after one of one word.
    assert starts.tolist() == [True, True, *[False] * (len(ids) - 3), True]


@pytest.mark.parametrize("size", [3, 7, 16, 64])
def test_blocks_hold_the_stream_between_special_tokens(tokenizer, text, tmp_path, size):
    stream = write_stream([text], tokenizer, tmp_path / "stream")
    blocks = Blocks(stream, tokenizer, size)
    ids, starts = expected_stream(tokenizer, LINES)
    assert len(blocks) == len(ids) // (size - 2)
    numbers = np.arange(len(blocks))[::-1]
    found, found_starts = blocks.take(numbers)
    assert found.shape == (len(blocks), size)
    assert (found[:, 0] == tokenizer.cls_token_id).all()
    assert (found[:, -1] == tokenizer.sep_token_id).all()
    kept = len(blocks) * (size - 2)
    assert found[::-1, 1:-1].ravel().tolist() == ids[:kept]
    assert found_starts[::-1, 1:-1].ravel().tolist() == starts[:kept]
    assert found_starts[:, [0, -1]].all()


def test_a_text_shorter_than_a_block_gives_none(tokenizer, text, tmp_path):
    assert len(Blocks(write_stream([text], tokenizer, tmp_path / "stream"), tokenizer, 512)) == 0


def test_ends_are_those_of_the_tokenizer(tokenizer):
    assert find_ends(tokenizer) == ([tokenizer.cls_token_id], [tokenizer.sep_token_id])


def test_large_vocabularies_take_more_bytes(tmp_path):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", *(f"word{i}" for i in range(1 << 16))]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces))
    tokenizer = BertTokenizerFast.from_pretrained(tmp_path)
    (tmp_path / "large.txt").write_text("word65535 a word7")
    stream = write_stream([tmp_path / "large.txt"], tokenizer, tmp_path / "stream")
    found, _ = Blocks(stream, tokenizer, stream.tokens + 2).take(np.array([0]))
    assert tokenizer.convert_ids_to_tokens(found[0, 1:-2].tolist()) == ["word65535", "a", "word7"]


def test_what_is_there_is_used_and_another_text_is_not(tokenizer, text, tmp_path):
    folder = tmp_path / "stream"
    first = write_stream([text], tokenizer, folder)
    # In place, as a mark.
    (folder / "ids.bin").write_bytes(b"\0" * (folder / "ids.bin").stat().st_size)
    # Calls change settings of the tokenizer that are not its own.
    tokenizer(["ada"], truncation=True, padding="max_length", max_length=5)
    assert write_stream([text], tokenizer, folder) == first
    assert not any((folder / "ids.bin").read_bytes())
    text.write_text("ada met grace")
    second = write_stream([text], tokenizer, folder)
    assert second.tokens < first.tokens
    assert any((folder / "ids.bin").read_bytes())


@pytest.mark.parametrize("content", [b"", b"\n \n\t\n"])
def test_an_empty_text_is_named_and_leaves_nothing(tokenizer, tmp_path, content):
    (tmp_path / "empty.txt").write_bytes(content)
    with pytest.raises(CrossnerError, match=r"C423.*empty\.txt"):
        write_stream([tmp_path / "empty.txt"], tokenizer, tmp_path / "stream")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.txt"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.txt", None, "missing.txt"),
        ("latin.txt", b"ada\n\xe9t\xe9\n", "latin.txt, line 2"),
        ("cut.txt.gz", gzip.compress(b"ada met grace\n" * 99, mtime=0)[:-9], "cut.txt.gz"),
    ],
)
def test_a_text_that_cannot_be_read_is_named(tokenizer, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CrossnerError) as caught:
        write_stream([tmp_path / name], tokenizer, tmp_path / "stream")
    assert message in str(caught.value)
    assert not (tmp_path / "stream").exists()


@given(st.integers(1, 20), st.integers(0, 3), st.integers(0, 50), st.integers(1, 50))
def test_the_order_is_one_of_passes_wherever_one_begins(n_blocks, seed, start, count):
    order = BlockOrder(n_blocks, seed).take(0, 100)
    assert BlockOrder(n_blocks, seed).take(start, count).tolist() == order[start : start + count].tolist()
    for first in range(0, 100 - n_blocks, n_blocks):
        assert sorted(order[first : first + n_blocks].tolist()) == list(range(n_blocks))


def test_passes_and_seeds_have_orders_of_their_own():
    order = BlockOrder(50, 0).take(0, 100)
    other = BlockOrder(50, 1).take(0, 50)
    assert len({tuple(part.tolist()) for part in (order[:50], order[50:], other, np.arange(50))}) == 4


def test_parts_of_a_text_share_no_line(tokenizer, tmp_path):
    lines = [f"ada {a}{b}{c} met" for a in "abcdefgh" for b in "ijklmnop" for c in "qrst"]
    path = tmp_path / "text.txt"
    # As at the integrated level, some come again.
    path.write_text("\n".join([*lines, *lines[::2]]))
    places = [line_place(line) for line in lines]
    assert all(0 <= place < 1 for place in places)
    assert abs(sum(place < 0.3 for place in places) / len(lines) - 0.3) < 0.1
    found = {}
    for part in ((0.0, 0.3), (0.3, 1.0), (0.0, 1.0)):
        stream = write_stream([path], tokenizer, tmp_path / "stream", range_of_lines=part)
        ids = np.fromfile(tmp_path / "stream" / "ids.bin", dtype=stream.dtype).tolist()
        found[part] = tokenizer.decode(ids).split(" [SEP]")[:-1]
        assert stream.lines == len(found[part])
    assert len(found[0.0, 0.3]) + len(found[0.3, 1.0]) == len(found[0.0, 1.0]) == 384
    assert not set(found[0.0, 0.3]) & set(found[0.3, 1.0])
    assert min(len(one) for one in found.values()) > 50


def test_a_line_of_any_length_is_tokenized_in_pieces(tmp_path, tiny_encoder, monkeypatch):
    monkeypatch.setattr(blocks_module, "LONGEST_LINE", 40)
    monkeypatch.setattr(blocks_module, "CHARACTERS_AT_ONCE", 100)
    sizes = []
    original = blocks_module.tokenize
    monkeypatch.setattr(
        blocks_module, "tokenize", lambda lines, *rest: (sizes.append(list(lines)), original(lines, *rest))[1]
    )
    words = [f"w{i}" for i in range(60)] + ["x" * 95, "end"]
    (tmp_path / "text.txt").write_text(" ".join(words) + "\nshort\n\n")
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder)
    stream = write_stream([tmp_path / "text.txt"], tokenizer, tmp_path / "out")
    pieces = [line for batch in sizes for line in batch]
    assert "".join(pieces).replace(" ", "") == "".join(words) + "short"
    assert max(map(len, pieces)) <= 40
    # No word is cut but the one that is longer than a piece.
    assert set(" ".join(pieces).split()) >= set(words) - {"x" * 95}
    assert all(sum(map(len, batch)) < 140 for batch in sizes)
    assert stream.lines == len(pieces)
