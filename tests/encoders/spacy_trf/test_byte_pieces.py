"""Windows of an encoder whose pieces are bytes and take the space before a word."""

import numpy as np
import pytest
import spacy
from spacy_transformers.span_getters import configure_get_doc_spans
from transformers import AutoTokenizer

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.encoders.pieces import PieceTokenizer

from .. import small_encoders
from ..small_encoders import save_encoder
from ..window_checks import bounds, make_doc, make_words
from .window_encoders import assert_by_hand, make_encoder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    """Give the folder of a RoBERTa with random weights: byte-level BPE, no known maximum but its 64 + 2 positions."""
    return save_encoder(small_encoders.roberta, tmp_path_factory.mktemp("roberta"))


@pytest.mark.filterwarnings("error")
def test_bytes_and_positions_of_a_roberta(roberta):
    assert AutoTokenizer.from_pretrained(roberta).model_max_length > 10**20
    for getter in (PieceWindows(), configure_get_doc_spans()):
        model = make_encoder(roberta, getter)
        for doc in (make_doc(make_words(200)), make_doc(["한국어", "🏳️‍🌈", "ada's", "naïve"] * 30)):
            output = model.predict([doc])
            assert 48 < output.wordpieces.input_ids.shape[1] <= 64
            assert_by_hand(roberta, model, doc)


def test_a_long_token_of_bytes(roberta):
    model = make_encoder(roberta)
    doc = make_doc(["ada", "🏳️‍🌈" * 50, "met"])
    with pytest.warns(UserWarning, match=r"W001\] 1 token"):
        output = model.predict([doc])
    assert bounds(output.spans[0]) == [(0, 1), (1, 2), (2, 3)]
    assert output.doc_data[0].align.lengths.tolist()[1] == 62


def test_pieces_are_counted_with_the_space_before(roberta):
    tokenizer = AutoTokenizer.from_pretrained(roberta)
    doc = spacy.blank("en").make_doc("ada met ada.paris")
    (counts,) = PieceTokenizer(tokenizer, 64).count([doc])
    expected = []
    for token in doc:
        text = (" " if token.i and doc[token.i - 1].whitespace_ else "") + token.text
        expected.append(len(tokenizer.tokenize(text)))
    assert counts == expected
    # Which is not the same.
    words = make_words(300, seed=7)
    assert any(len(tokenizer.tokenize(" " + word)) != len(tokenizer.tokenize(word)) for word in words)


@pytest.mark.parametrize("get_spans", [PieceWindows(), PieceWindows(8, 2), configure_get_doc_spans()])
def test_blank_tokens_have_no_pieces_and_change_none(roberta, get_spans):
    model = make_encoder(roberta, get_spans)
    words = ["Ada", "met", "Grace", "in", "New", "York", "again", "today"]
    plain = make_doc(words)
    # To these tokenizers a word after a line break is another one than after a blank.
    blanks = make_doc(["\n", *words[:2], " ", *words[2:5], "\n\n", *words[5:], "\t"])
    expected, alone, found = model.predict([plain, make_doc(["\n"]), blanks]).doc_data
    places = [token.i for token in blanks if not token.is_space]
    lengths = np.zeros(len(blanks), dtype="i")
    lengths[places] = expected.align.lengths
    assert found.align.lengths.tolist() == lengths.tolist()
    assert found.wordpieces.input_ids.tolist() == expected.wordpieces.input_ids.tolist()
    vectors = [data.model_output.last_hidden_state.reshape(-1, 16)[data.align.dataXd] for data in (expected, found)]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert len(alone.align.lengths) == 1
