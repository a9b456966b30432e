import tempfile

import pytest
import srsly
import torch
from spacy_transformers.span_getters import configure_strided_spans

from spacy_crossner.encoders.spacy_trf.transformer import SafetensorsShim, build_transformer_model
from spacy_crossner.errors import CrossnerError


@pytest.fixture
def shim(tiny_encoder):
    model = build_transformer_model(str(tiny_encoder), configure_strided_spans(16, 12))
    model.initialize()
    return model.layers[0].shims[0]


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
