import pytest
from transformers import AutoTokenizer

from spacy_crossner.encoders.pieces import PieceTokenizer


@pytest.mark.parametrize("use_fast", [True, False])
@pytest.mark.parametrize("side", ["right", "left"])
def test_of_a_text_that_is_too_long_the_first_pieces_are_kept(tiny_encoder, use_fast, side):
    tokenizer = AutoTokenizer.from_pretrained(tiny_encoder, use_fast=use_fast)
    tokenizer.padding_side = tokenizer.truncation_side = side
    pieces = PieceTokenizer(tokenizer, 6)(["abcdefgh", "ad"])
    assert pieces["input_texts"] == [
        ["[CLS]", "a", "##b", "##c", "##d", "[SEP]"],
        ["[CLS]", "a", "##d", "[SEP]", "[PAD]", "[PAD]"],
    ]
    assert pieces["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]
    assert pieces["token_type_ids"].tolist() == [[0] * 6] * 2
    assert pieces["lengths"] == [10, 4]
    if use_fast:
        offsets = [[0, 0], [0, 1], [1, 2], [2, 3], [3, 4], [0, 0]]
        assert pieces["offset_mapping"].tolist() == [offsets, [[0, 0], [0, 1], [1, 2], [0, 0], [0, 0], [0, 0]]]
    ids = tokenizer.convert_tokens_to_ids(pieces["input_texts"][1])
    assert pieces["input_ids"][1].tolist() == ids
