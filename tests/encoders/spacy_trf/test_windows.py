import pytest
import torch
from spacy.tokens import Doc
from spacy_transformers.span_getters import configure_strided_spans

from spacy_crossner.encoders.piece_windows import PieceWindows
from spacy_crossner.errors import CrossnerError

from ..window_checks import VOCAB, bounds, make_doc, make_words
from .window_encoders import make_encoder


def test_max_pieces_out_of_range_is_refused(tiny_encoder):
    with pytest.raises(CrossnerError, match="C026"):
        make_encoder(tiny_encoder, max_pieces=0)


def test_short_docs_give_what_the_strided_windows_gave(tiny_encoder):
    docs = [make_doc(make_words(n, n)) for n in (1, 5, 9)]
    ours = make_encoder(tiny_encoder).predict(docs)
    theirs = make_encoder(tiny_encoder, configure_strided_spans(128, 96)).predict(docs)
    assert ours.wordpieces.strings == theirs.wordpieces.strings
    assert ours.align.dataXd.tolist() == theirs.align.dataXd.tolist()
    assert torch.equal(ours.model_output.last_hidden_state, theirs.model_output.last_hidden_state)


def test_the_encoders_maximum_bounds_the_window(tiny_encoder):
    doc = make_doc(["ada"] * 400)
    output = make_encoder(tiny_encoder, PieceWindows(100, 50)).predict([doc])
    # 62 beside the two special tokens; the overlap in proportion.
    assert bounds(output.spans[0])[:2] == [(0, 62), (31, 93)]
    assert output.wordpieces.input_ids.shape[1] == 64


def test_a_first_sentence_without_pieces(tiny_encoder):
    doc = Doc(VOCAB, words=["\n", *["ada"] * 80], sent_starts=[True, True, *[False] * 39, True, *[False] * 39])
    (spans,) = make_encoder(tiny_encoder).predict([doc]).spans
    assert bounds(spans) == [(0, 40), (40, 80)]
