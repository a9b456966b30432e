import tempfile

import pytest
import srsly
import torch
from spacy_transformers.span_getters import configure_strided_spans

from spacy_crossner.encoders.folders import FILE_KEYS
from spacy_crossner.encoders.saved_tokenizer import without_code
from spacy_crossner.encoders.spacy_trf.transformer import SafetensorsShim, build_transformer_model
from spacy_crossner.errors import CrossnerError

TEXTS = ["Ada met Grace in Paris .", "", "it works", "unheard-of words: Quizzaciously, 12,5 % & more"]


def make_shim(folder, use_fast=True):
    model = build_transformer_model(str(folder), configure_strided_spans(16, 12), {"use_fast": use_fast}, {})
    model.initialize()
    return model.layers[0].shims[0]


@pytest.fixture
def shim(tiny_encoder):
    return make_shim(tiny_encoder)


@pytest.mark.parametrize("use_fast", [True, False])
def test_tokenizers_survive_two_ways_through_bytes(tiny_encoder, use_fast):
    shim = make_shim(tiny_encoder, use_fast)
    before = shim._hfmodel.tokenizer
    assert before.is_fast == use_fast
    shim.from_bytes(shim.from_bytes(shim.to_bytes()).to_bytes())
    after = shim._hfmodel.tokenizer
    assert (after.is_fast, after.model_max_length) == (use_fast, 64)
    assert after(TEXTS)["input_ids"] == before(TEXTS)["input_ids"]


@pytest.mark.parametrize("name", ["../escaped.txt", "{folder}/escaped.txt"])
def test_a_tokenizer_file_with_a_path_is_refused(shim, tmp_path, monkeypatch, name):
    # A pipeline may come from strangers: loading one writes nowhere but into its temporary folder.
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(inside))
    saved = srsly.msgpack_loads(shim.to_bytes())
    saved["tokenizer"][name.format(folder=tmp_path)] = b"evil"
    with pytest.raises(CrossnerError):
        shim.from_bytes(srsly.msgpack_dumps(saved))
    assert not list(tmp_path.rglob("escaped.txt"))


def test_weights_that_do_not_fit_the_config_are_refused(shim):
    assert isinstance(shim, SafetensorsShim)
    saved = srsly.msgpack_loads(shim.to_bytes())
    saved["config"]["intermediate_size"] = 8
    before = [value.clone() for value in shim._model.state_dict().values()]
    with pytest.raises(CrossnerError, match=r"C003.*BertModel.*shape"):
        shim.from_bytes(srsly.msgpack_dumps(saved))
    assert all(torch.equal(a, b) for a, b in zip(shim._model.state_dict().values(), before, strict=True))


@pytest.mark.parametrize("key", FILE_KEYS)
def test_settings_that_name_files_are_left_out(key):
    assert without_code({"a": [{key: "/etc/passwd", "b": 1}], key: "x"}) == {"a": [{"b": 1}]}


def test_a_vocabulary_that_is_no_file_is_kept():
    assert without_code({"vocab": {"ada": 0}, "vocab_size": 3}) == {"vocab": {"ada": 0}, "vocab_size": 3}
