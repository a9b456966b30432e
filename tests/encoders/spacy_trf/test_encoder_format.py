"""What a saved encoder keeps: how attention is worked out, the type of its weights, its settings; and its format."""

import copy
import json
import pickle

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.training import Example
from spacy_transformers.span_getters import configure_get_doc_spans
from thinc.api import fix_random_seed
from transformers import AutoConfig, AutoModel, AutoTokenizer

from spacy_crossner.encoders.serialization import module_to_bytes
from spacy_crossner.encoders.spacy_trf.transformer import build_transformer_model
from spacy_crossner.errors import CrossnerError
from spacy_crossner.training.optimizers import HeadAdamW

LISTENER = {
    "@architectures": "spacy-transformers.TransformerListener.v1",
    "pooling": {"@layers": "reduce_mean.v1"},
    "grad_factor": 1.0,
}


def make_shim(folder, **settings):
    model = build_transformer_model(str(folder), configure_get_doc_spans(), **settings)
    model.initialize()
    return model.layers[0].shims[0]


def empty_shim():
    return build_transformer_model("no-such-encoder", configure_get_doc_spans()).layers[0].shims[0]


def run(shim):
    pieces = shim.tokenizer(["ada met paris", "x"])
    tensors = {name: torch.from_numpy(pieces[name]) for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        return shim._hfmodel.transformer.eval()(**tensors).last_hidden_state


def make_pipeline(folder, settings):
    nlp = spacy.blank("xx")
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(folder)}
    encoder |= {"get_spans": {"@span_getters": "spacy_crossner.PieceWindows.v1"}, "transformer_config": settings}
    nlp.add_pipe("transformer", config={"model": encoder})
    head = {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": LISTENER}
    nlp.add_pipe("crf_ner", name="ner", config={"model": head})
    gold = Doc(nlp.vocab, words=["Ada", "met", "Grace"], ents=["B-person", "O", "B-person"])
    examples = [Example(nlp.make_doc("Ada met Grace"), gold), Example(nlp.make_doc("no"), nlp.make_doc("no"))]
    fix_random_seed(0)
    nlp.initialize(lambda: examples)
    optimizer = HeadAdamW(encoder_rate=0.01)
    before = [p.clone() for p in encoder_of(nlp).parameters()]
    for _ in range(2):
        losses = nlp.update(examples, sgd=optimizer)
        optimizer.step_schedules()
    assert np.isfinite(losses["ner"])
    assert any(not torch.equal(a, b) for a, b in zip(before, encoder_of(nlp).parameters(), strict=True))
    return nlp


def encoder_of(nlp):
    return nlp.get_pipe("transformer").model.transformer


def vectors(nlp):
    docs = list(nlp.get_pipe("transformer").pipe([nlp.make_doc("ada met Paris"), nlp.make_doc("x " * 99)]))
    return nlp.get_pipe("ner").model.get_ref("tok2vec").predict(docs)


def through_disk(nlp, folder):
    nlp.to_disk(folder)
    return spacy.load(folder)


WAYS = {
    "disk": through_disk,
    "bytes": lambda nlp, folder: spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes()),
    "pickle": lambda nlp, folder: pickle.loads(pickle.dumps(nlp)),
    "copy": lambda nlp, folder: copy.deepcopy(nlp),
    "twice": lambda nlp, folder: through_disk(through_disk(nlp, folder / "1"), folder / "2"),
}


@pytest.mark.parametrize(
    ("settings", "attention", "dtype"),
    [
        ({}, "sdpa", torch.float32),
        ({"attn_implementation": "eager"}, "eager", torch.float32),
        ({"torch_dtype": "bfloat16"}, "sdpa", torch.bfloat16),
        ({"attn_implementation": "eager", "torch_dtype": "float16"}, "eager", torch.float16),
    ],
)
def test_attention_and_type_of_weights_survive(tiny_encoder, tmp_path, settings, attention, dtype):
    nlp = make_pipeline(tiny_encoder, settings)
    expected = vectors(nlp)
    assert all(rows.dtype == np.float32 for rows in expected)
    for way in WAYS.values():
        loaded = way(nlp, tmp_path)
        encoder = encoder_of(loaded)
        assert encoder.config._attn_implementation == attention
        assert {p.dtype for p in encoder.parameters()} == {dtype}
        assert all(np.array_equal(a, b) for a, b in zip(vectors(loaded), expected, strict=True))
    replaced = WAYS["bytes"](nlp, tmp_path)
    replaced.replace_listeners("transformer", "ner", ["model.tok2vec"])
    replaced.remove_pipe("transformer")
    (encoder,) = [
        node.layers[0].shims[0]._hfmodel.transformer
        for node in through_disk(replaced, tmp_path / "replaced").get_pipe("ner").model.walk()
        if node.name == "transformer"
    ]
    assert encoder.config._attn_implementation == attention
    assert {p.dtype for p in encoder.parameters()} == {dtype}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_thincs_optimizers_say_that_they_take_no_half_precision(tiny_encoder, dtype):
    nlp = make_pipeline(tiny_encoder, {"torch_dtype": dtype})
    gold = Doc(nlp.vocab, words=["Ada"], ents=["B-person"])
    examples = [Example(nlp.make_doc("Ada"), gold)]
    # The encoder of a listener takes its step with the next update.
    nlp.update(examples, sgd=nlp.resume_training())
    with pytest.raises(
        CrossnerError, match=f"C087.*Only spacy_crossner.HeadAdamW.v1 can train weights of type {dtype}"
    ):
        nlp.update(examples, sgd=nlp.resume_training())


def test_weights_are_single_precision_unless_asked(tiny_encoder, tmp_path):
    # A checkpoint of half precision is trained in single precision, and its config says the other.
    AutoModel.from_pretrained(tiny_encoder, torch_dtype=torch.float16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).torch_dtype == torch.float16
    shim = make_shim(tmp_path)
    loaded = empty_shim().from_bytes(shim.to_bytes())
    for one in (shim, loaded):
        assert {p.dtype for p in one._hfmodel.transformer.parameters()} == {torch.float32}
    assert torch.equal(run(loaded), run(shim))


def test_an_attention_that_is_not_to_be_had_is_replaced(tiny_encoder):
    shim = make_shim(tiny_encoder)
    saved = srsly.msgpack_loads(shim.to_bytes())
    assert saved["attention"] == "sdpa"
    for name in ("flash_attention_3", "someone/kernel:attention"):
        loaded = empty_shim().from_bytes(srsly.msgpack_dumps({**saved, "attention": name}))
        assert loaded._hfmodel.transformer.config._attn_implementation == "sdpa"
        assert torch.equal(run(loaded), run(shim))


def test_a_config_is_saved_to_the_last_digit(tiny_encoder):
    shim = make_shim(tiny_encoder, transformer_config={"layer_norm_eps": 1.5e-12, "initializer_range": 0.1 + 0.2})
    loaded = empty_shim().from_bytes(shim.to_bytes())._hfmodel.transformer
    assert (loaded.config.layer_norm_eps, loaded.config.initializer_range) == (1.5e-12, 0.1 + 0.2)
    assert loaded.embeddings.LayerNorm.eps == 1.5e-12
    before, after = (model.config.to_dict() for model in (shim._hfmodel.transformer, loaded))
    for config in (before, after):
        config.pop("_name_or_path", None)
    assert after == before


def test_bytes_say_their_format(tiny_encoder):
    assert srsly.msgpack_loads(make_shim(tiny_encoder).to_bytes())["format"] == 1
    assert srsly.msgpack_loads(empty_shim().to_bytes())["format"] == 1


def test_bytes_of_format_0_are_read(tiny_encoder, tmp_path):
    shim = make_shim(tiny_encoder, transformer_config={"attn_implementation": "eager"})
    objects = shim._hfmodel
    objects.tokenizer.save_pretrained(tmp_path)
    # As they were before formats had numbers.
    old = {
        "config": objects.transformer.config.to_dict(),
        "tokenizer": {path.name: path.read_bytes() for path in tmp_path.iterdir()},
        "use_fast": True,
        "weights": module_to_bytes(objects.transformer),
    }
    loaded = empty_shim().from_bytes(srsly.msgpack_dumps(old))
    torch.testing.assert_close(run(loaded), run(shim))
    unmade = {"tokenizer_config": {"use_fast": False}, "transformer_config": {"num_hidden_layers": 1}}
    loaded = empty_shim().from_bytes(srsly.msgpack_dumps(unmade))
    assert loaded._hfmodel._init_transformer_config == {"num_hidden_layers": 1}


@pytest.mark.parametrize("part", ["whole", "unmade"])
def test_bytes_of_a_newer_format_are_refused(tiny_encoder, part):
    shim = make_shim(tiny_encoder) if part == "whole" else empty_shim()
    saved = srsly.msgpack_loads(shim.to_bytes())
    with pytest.raises(CrossnerError) as caught:
        empty_shim().from_bytes(srsly.msgpack_dumps({**saved, "format": 3}))
    assert str(caught.value) == (
        "[C080] The encoder was saved by a newer spacy-crossner: its format is 3, and this version reads "
        "formats up to 1. Update with `pip install -U spacy-crossner`."
    )


def test_an_attention_of_someone_elses_is_refused(tiny_encoder, tmp_path):
    # Of this form it is a program that transformers fetches and runs.
    with pytest.raises(CrossnerError, match=r"C085.*attn_implementation 'someone/kernel:attention'"):
        make_shim(tiny_encoder, transformer_config={"attn_implementation": "someone/kernel:attention"})
    for path in tiny_encoder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf8"))
    config["_attn_implementation_internal"] = "someone/kernel:attention"
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf8")
    with pytest.raises(CrossnerError, match=r"C085.*attn_implementation 'someone/kernel:attention'"):
        make_shim(tmp_path)
