import pickle

import pytest
import spacy
import srsly
import torch
from safetensors.torch import load
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import fix_random_seed

from spacy_crossner.training.optimizers import HeadAdamW

TEXTS = ["Ada met Grace in Paris .", "", "it works", "unheard-of words: Quizzaciously, 12,5 % & more " * 6]


@pytest.fixture(scope="module")
def nlp(tiny_encoder, annotated_docs):
    """Give a pipeline of the tiny encoder and `crf_ner` on a listener, after two steps of training."""
    nlp = spacy.blank("xx")
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12}
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder), "get_spans": spans}
    nlp.add_pipe("transformer", config={"model": encoder})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": {"@layers": "reduce_mean.v1"}}
    model = {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": {**listener, "grad_factor": 1.0}}
    nlp.add_pipe("crf_ner", config={"model": model})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in annotated_docs(nlp)]
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    return nlp


def weights(nlp):
    """Return the tensors of all torch modules of a pipeline."""
    modules = []
    for _, pipe in nlp.pipeline:
        # The listener's encoder is in its own component, or, after replacement, in the head's.
        shims = [shim for node in pipe.model.walk() for shim in node.shims]
        modules += sorted((shim._model for shim in shims), key=lambda module: type(module).__name__)
    return [value for module in modules for value in module.state_dict().values()]


def emissions(nlp):
    """Return the head's emissions for some texts."""
    docs = [nlp.make_doc(text) for text in TEXTS]
    for name, pipe in nlp.pipeline:
        if name != "crf_ner":
            docs = list(pipe.pipe(docs))
    return nlp.get_pipe("crf_ner").model.predict(docs).emissions


def assert_same_pipeline(first, second):
    ours, theirs = weights(first), weights(second)
    assert len(ours) == len(theirs) > 30
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    assert torch.equal(emissions(first), emissions(second))
    entities = [[(ent.text, ent.label_) for ent in doc.ents] for doc in first.pipe(TEXTS)]
    assert entities == [[(ent.text, ent.label_) for ent in doc.ents] for doc in second.pipe(TEXTS)]


def leaves(value):
    """Yield the byte strings of a msgpack, those in byte strings that are msgpack themselves too."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from leaves(part)
    elif isinstance(value, bytes):
        try:
            inner = srsly.msgpack_loads(value)
        except Exception:
            inner = None
        if isinstance(inner, (dict, list)):
            yield from leaves(inner)
        else:
            yield value


def no_pickle(*args, **kwargs):
    raise AssertionError("something is unpickled")


@pytest.fixture
def unpickling_fails(monkeypatch):
    for module, name in [(torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")]:
        monkeypatch.setattr(module, name, no_pickle)


@pytest.mark.usefixtures("unpickling_fails")
def test_saved_pipeline_loads_without_unpickling(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    assert_same_pipeline(nlp, spacy.load(tmp_path))


def test_saved_folder_holds_safetensors_and_no_pickle(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    blobs = [*files.values(), *leaves(list(files.values()))]
    for blob in blobs:
        # A zip (torch.save); a pickle of protocol 2 and above, which ends in a full stop.
        assert not blob.startswith(b"PK\x03\x04")
        assert not (blob[:1] == b"\x80" and blob[1:2] in b"\x02\x03\x04\x05" and blob.endswith(b"."))
        assert b"torch._utils" not in blob
    (shim,) = [shim for shims in srsly.msgpack_loads(files["transformer/model"])["shims"] for shim in shims]
    saved = load(srsly.msgpack_loads(shim)["weights"])
    expected = nlp.get_pipe("transformer").model.transformer.state_dict()
    assert saved.keys() == expected.keys()
    assert all(torch.equal(saved[name], value) for name, value in expected.items())
    (shim,) = [shim for shims in srsly.msgpack_loads(files["crf_ner/model"])["shims"] for shim in shims]
    head = load(srsly.msgpack_loads(shim)["state"])
    assert head.keys() == {
        "output.weight",
        "output.bias",
        "crf.start_transitions",
        "crf.end_transitions",
        "crf.transitions",
    }


def test_loading_does_not_need_the_encoder(nlp, tmp_path):
    nlp.to_disk(tmp_path)
    config = spacy.util.load_config(tmp_path / "config.cfg")
    config["components"]["transformer"]["model"]["name"] = "no-such-encoder"
    config.to_disk(tmp_path / "config.cfg")
    assert_same_pipeline(nlp, spacy.load(tmp_path))


def test_bytes_round_trip(nlp):
    fresh = spacy.blank("xx").from_config(nlp.config)
    fresh.from_bytes(nlp.to_bytes())
    assert_same_pipeline(nlp, fresh)


def test_replaced_listener_is_saved_and_loaded(nlp, tmp_path):
    replaced = spacy.blank("xx").from_config(nlp.config)
    replaced.from_bytes(nlp.to_bytes())
    replaced.replace_listeners("transformer", "crf_ner", ["model.tok2vec"])
    replaced.remove_pipe("transformer")
    torch.testing.assert_close(emissions(replaced), emissions(nlp))
    config = replaced.config["components"]["crf_ner"]["model"]["tok2vec"]
    assert config["@architectures"] == "spacy_crossner.Tok2VecTransformer.v1"
    assert config["pooling"] == {"@layers": "reduce_mean.v1"}
    replaced.to_disk(tmp_path)
    assert_same_pipeline(replaced, spacy.load(tmp_path))
    assert b"PK\x03\x04" not in (tmp_path / "crf_ner" / "model").read_bytes()


def test_uninitialized_encoder_keeps_its_settings(tiny_encoder):
    nlp = spacy.blank("xx")
    encoder = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder)}
    spans = {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12}
    settings = {"tokenizer_config": {"do_lower_case": False}, "transformer_config": {"num_hidden_layers": 1}}
    pipe = nlp.add_pipe("transformer", config={"model": {**encoder, **settings, "get_spans": spans}})
    fresh = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    fresh.initialize()
    nlp.initialize()
    assert len(pipe.model.transformer.encoder.layer) == 1
    assert len(fresh.get_pipe("transformer").model.transformer.encoder.layer) == 1
    assert not fresh.get_pipe("transformer").model.tokenizer.do_lower_case


def test_an_encoder_that_took_a_listeners_place_learns_beside_the_first(nlp):
    both = spacy.blank("xx").from_config(nlp.config).from_bytes(nlp.to_bytes())
    both.add_pipe("crf_ner", name="second", config={"model": nlp.get_pipe_config("crf_ner")["model"]})
    doc = Doc(both.vocab, words=["Ada", "sleeps"], ents=["B-person", "O"])
    examples = [Example(both.make_doc("Ada sleeps"), doc)]
    both.get_pipe("second").initialize(lambda: examples, nlp=both)
    both.replace_listeners("transformer", "crf_ner", ["model.tok2vec"])
    before = [value.clone() for value in weights(both)]
    optimizer = HeadAdamW(encoder_rate=0.01, weight_decay=0.0)
    both.update(examples, sgd=False)
    for _, pipe in both.pipeline:
        pipe.finish_update(optimizer)
    optimizer.step_schedules()
    # Weights of BERT's pooler, which no head reads, and buffers stay: two for each encoder.
    stay = [torch.equal(a, b) for a, b in zip(weights(both), before, strict=True)]
    assert sum(stay) == 4
