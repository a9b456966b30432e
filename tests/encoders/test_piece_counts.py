"""The pieces of words are counted once, and kept up to a number."""

from transformers import AutoTokenizer

from spacy_crossner.encoders import pieces as pieces_module
from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.pieces import PieceTokenizer

from .window_checks import bounds, make_doc, make_words


class CountingTokenizer:
    """A tokenizer that keeps the texts of each call."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.calls = []

    def __call__(self, texts, **settings):
        self.calls.append(texts)
        return self.tokenizer(texts, **settings)

    def __getattr__(self, name):
        return getattr(self.tokenizer, name)


def test_words_are_counted_once_and_all_in_one_call(tiny_encoder):
    tokenizer = CountingTokenizer(AutoTokenizer.from_pretrained(tiny_encoder))
    pieces = PieceTokenizer(tokenizer, 64)
    getter = PieceWindows(30, 5)
    short = [make_doc(["ada", "met"]), make_doc([]), make_doc(["paris"] * 4)]
    getter.cut(short, pieces)
    # That these fit shows without counting.
    assert tokenizer.calls == []
    docs = [make_doc(make_words(50, seed)) for seed in (1, 2)]
    first = getter.cut([*docs, *short], pieces)
    (texts,) = tokenizer.calls
    assert sorted(texts) == sorted({" " * (t.i > 0) + t.text for doc in docs for t in doc})
    again = getter.cut([*docs, *short], pieces)
    assert len(tokenizer.calls) == 1
    assert [bounds(spans) for spans in again] == [bounds(spans) for spans in first]


def test_the_words_kept_are_bounded(tiny_encoder, monkeypatch):
    monkeypatch.setattr(pieces_module, "CACHED_PIECE_COUNTS", 100)
    pieces = PieceTokenizer(AutoTokenizer.from_pretrained(tiny_encoder), 64)
    for start in range(0, 1000, 90):
        doc = make_doc([str(i) for i in range(start, start + 90)])
        (counts,) = pieces.count([doc])
        assert counts == [len(token) for token in doc]
        assert len(pieces._counts) <= 100 + 90


def test_counting_is_not_disturbed_by_other_counting_in_its_midst(tiny_encoder, monkeypatch):
    # As from another thread, at the time when the words that are kept are too many.
    monkeypatch.setattr(pieces_module, "CACHED_PIECE_COUNTS", 10)
    tokenizer = CountingTokenizer(AutoTokenizer.from_pretrained(tiny_encoder))
    pieces = PieceTokenizer(tokenizer, 64)
    pieces.count([make_doc(["ada"])])
    plain = tokenizer.tokenizer

    def disturbed(texts, **settings):
        tokenizer.tokenizer = plain
        for start in (0, 50):
            pieces.count([make_doc([str(i) for i in range(start, start + 50)])])
        return plain(texts, **settings)

    tokenizer.tokenizer = disturbed
    assert pieces.count([make_doc(["ada", "x"])]) == [[1, 1]]
