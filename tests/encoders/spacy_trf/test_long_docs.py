"""Docs and tokens of any length are encoded whole, with the vectors of a slow loop."""

import warnings

import numpy as np
import pytest
import spacy
from spacy_transformers.span_getters import configure_get_doc_spans, configure_strided_spans

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.pieces import PieceTokenizer

from ..window_checks import LONG_TOKEN, bounds, make_doc, make_words
from .window_encoders import assert_by_hand, make_encoder, pool

ODD_TEXTS = [
    "",
    "   ",
    " \n\n\t ",
    "한국어 문장 " * 30,
    "ﷺ ﷻ " * 40,
    "İstanbul'da e\u0301te\u0301 🏳️‍🌈👩‍👩‍👧 zero\u200bwidth \u200d \ufeff " * 8,
    "[SEP] [CLS] [PAD] [MASK] </s> " * 20,
    "\u0000 \u0001 \ud7ff \U0010ffff " * 30,
    "don't-stop.it's/all(one)thing" * 30,
]


@pytest.mark.filterwarnings("ignore:.W001")
@pytest.mark.parametrize("name", ["strided", "doc", "pieces"])
def test_a_token_of_800_pieces_takes_nothing_from_the_others(tiny_encoder, name):
    getters = {"strided": configure_strided_spans(128, 96), "doc": configure_get_doc_spans(), "pieces": PieceWindows()}
    model = make_encoder(tiny_encoder, getters[name])
    doc = make_doc([*make_words(60), LONG_TOKEN, *make_words(60, seed=1)])
    expected = assert_by_hand(tiny_encoder, model, doc)
    (spans,) = model.predict([doc]).spans
    assert np.abs(expected).max(axis=1).min() > 0.1
    assert (60, 61) in bounds(spans)


@pytest.mark.filterwarnings("ignore:.W001")
def test_a_window_of_a_few_tokens_is_cut_too(tiny_encoder):
    model = make_encoder(tiny_encoder, configure_get_doc_spans())
    doc = make_doc(["ada", LONG_TOKEN, "met"])
    assert_by_hand(tiny_encoder, model, doc)
    assert bounds(model.predict([doc]).spans[0]) == [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize("getter", [PieceWindows(), configure_get_doc_spans()])
def test_what_counting_misses_is_cut_all_the_same(tiny_encoder, monkeypatch, getter):
    monkeypatch.setattr(PieceTokenizer, "count", lambda self, docs: [[0] * len(doc) for doc in docs])
    model = make_encoder(tiny_encoder, getter)
    doc = make_doc(["ada"] * 200)
    (spans,) = model.predict([doc]).spans
    assert bounds(spans) == [(start, start + 50) for start in range(0, 200, 50)]
    assert_by_hand(tiny_encoder, model, doc)


def test_the_warning_counts_and_comes_once_a_call(tiny_encoder):
    model = make_encoder(tiny_encoder)
    docs = [make_doc(["ada", LONG_TOKEN, "met"]), make_doc([]), make_doc([LONG_TOKEN + "b"])]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(docs)
    (message,) = [str(warning.message) for warning in caught]
    # With two special tokens, of 64: 738 of 800 pieces, 739 of 801.
    assert "[W001] 2 token(s)" in message
    assert "The last 1477 piece(s)" in message


def test_no_warning_where_all_is_seen(tiny_encoder):
    model = make_encoder(tiny_encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # 62 pieces: as many as there is room for.
        model.predict([make_doc(["ada", "a-" * 31, "met"]), make_doc(make_words(500))])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("use_fast", [True, False])
@pytest.mark.parametrize("name", ["strided", "doc", "pieces"])
def test_a_long_doc_is_encoded_whole(tiny_encoder, name, use_fast):
    getters = {"strided": configure_strided_spans(128, 96), "doc": configure_get_doc_spans(), "pieces": PieceWindows()}
    model = make_encoder(tiny_encoder, getters[name], tokenizer_config={"use_fast": use_fast})
    assert model.tokenizer.is_fast == use_fast
    doc = make_doc(make_words(5000 if use_fast and name == "pieces" else 500))
    expected = assert_by_hand(tiny_encoder, model, doc)
    assert np.abs(expected).max(axis=1).min() > 0.1


def test_docs_in_a_batch_do_not_touch_each_other(tiny_encoder):
    for getter in (PieceWindows(), configure_get_doc_spans()):
        model = make_encoder(tiny_encoder, getter)
        docs = [make_doc(make_words(n, n)) for n in (3, 0, 200, 1, 0, 90)]
        together = model.predict(docs)
        assert [len(doc) for doc in docs] == [len(data.align.lengths) for data in together.doc_data]
        for i in (0, 2, 3, 5):
            np.testing.assert_allclose(pool(together, i), pool(model.predict([docs[i]])), atol=2e-6)


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts(tiny_encoder, text):
    nlp = spacy.blank("en")
    doc = nlp.make_doc(text)
    for getter in (PieceWindows(), PieceWindows(8, 3), configure_strided_spans(128, 96)):
        model = make_encoder(tiny_encoder, getter)
        output = model.predict([doc, nlp.make_doc("ada met")])
        assert len(output.doc_data[0].align.lengths) == len(doc)
        assert output.wordpieces.input_ids.shape[1] <= 64
        if len(doc):
            assert {token.i for span in output.spans[0] for token in span} == set(range(len(doc)))
            assert_by_hand(tiny_encoder, model, doc)


def test_docs_without_tokens_alone(tiny_encoder):
    output = make_encoder(tiny_encoder).predict([make_doc([]), make_doc([])])
    assert [len(data.align.lengths) for data in output.doc_data] == [0, 0]
