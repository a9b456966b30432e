import pytest
from transformers import AutoTokenizer

from spacy_crossner.encoders.folders import FILE_KEYS
from spacy_crossner.encoders.saved_tokenizer import tokenizer_from_files, tokenizer_to_files, without_code

TEXTS = ["Ada met Grace in Paris .", "", "it works", "unheard-of words: Quizzaciously, 12,5 % & more"]


@pytest.mark.parametrize("use_fast", [True, False])
def test_tokenizers_survive_two_ways_through_files(tiny_encoder, use_fast):
    before = AutoTokenizer.from_pretrained(tiny_encoder, use_fast=use_fast)
    after = before
    for _ in range(2):
        after = tokenizer_from_files(tokenizer_to_files(after), {"model_type": "bert"}, before.is_fast)
    assert (after.is_fast, after.model_max_length) == (before.is_fast, 64)
    assert after(TEXTS)["input_ids"] == before(TEXTS)["input_ids"]


@pytest.mark.parametrize("key", FILE_KEYS)
def test_settings_that_name_files_are_left_out(key):
    assert without_code({"a": [{key: "/etc/passwd", "b": 1}], key: "x"}) == {"a": [{"b": 1}]}


def test_a_vocabulary_that_is_no_file_is_kept():
    assert without_code({"vocab": {"ada": 0}, "vocab_size": 3}) == {"vocab": {"ada": 0}, "vocab_size": 3}
