"""Encoders on ONNX Runtime and OpenVINO: vectors as PyTorch's, whole through saving, processes and threads."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
import spacy
import srsly
import torch
from spacy.tokens import Doc
from spacy.training import Example

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders.encoder import build_encoder
from spacy_crossner.encoders.exported import ExportedShim, build_exported_encoder
from spacy_crossner.encoders.runtimes import export, onnx
from spacy_crossner.errors import CrossnerError
from spacy_crossner.evaluation.export import export_encoders

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

LIBRARIES = {"onnx": "onnxruntime", "openvino": "openvino"}
BACKENDS = ["onnx", "openvino"]
TEXTS = ["ada met the lab in paris", "", "a  b \n\n c", "x", "the works of ada " * 60, "unbelievable 12,000 %"]


@pytest.fixture(params=BACKENDS)
def backend(request):
    pytest.importorskip(LIBRARIES[request.param])
    return request.param


@pytest.fixture(scope="module")
def encoder(tiny_encoder):
    layer = build_encoder(str(tiny_encoder), pieces=24, overlap=6)
    layer.initialize(X=[])
    return layer


@pytest.fixture(scope="module")
def exported(encoder):
    """Return a function that returns the layer of an exported encoder, always the same one."""
    made = {}

    def export(backend, int8=False):
        if (backend, int8) not in made:
            layer = build_exported_encoder(backend, pieces=24, overlap=6)
            layer.shims[0] = ExportedShim.from_encoder(encoder.shims[0], backend, int8=int8)
            made[backend, int8] = layer
        return made[backend, int8]

    return export


@pytest.fixture(scope="module")
def tagger(tiny_encoder, learn_by_heart):
    """Give a pipeline with an encoder that knows the sample by heart, and its gold docs."""
    pytest.importorskip("onnx")
    encoder = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder), "pieces": 24, "overlap": 6}
    config = {"model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": encoder}}
    return learn_by_heart("crf_ner", config, updates=60, learn_rate=0.01)


@pytest.fixture
def pipeline(tagger, backend):
    nlp = copy.deepcopy(tagger[0])
    export_encoders(nlp, backend, int8=False)
    return nlp


def vectors(layer, texts=TEXTS):
    nlp = spacy.blank("en")
    return np.concatenate(layer.predict([nlp(text) for text in texts]))


def cosines(found, expected):
    used = np.abs(expected).sum(1) > 0
    assert not found[~used].any()
    found, expected = found[used], expected[used]
    return (found * expected).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(expected, axis=1)


def entities(nlp, texts):
    return [[(e.start, e.end, e.label_, round(e._.score, 4)) for e in doc.ents] for doc in nlp.pipe(texts)]


def sample(docs):
    return [doc.text for doc in docs] + ["", " \n ", "Ada met Grace in Paris . " * 40]


def test_vectors_are_those_of_pytorch(encoder, exported, backend):
    np.testing.assert_allclose(vectors(exported(backend)), vectors(encoder), atol=2e-5)


def test_int8_vectors_are_near(encoder, exported, backend):
    found, expected = vectors(exported(backend, int8=True)), vectors(encoder)
    assert cosines(found, expected).min() > 0.999
    assert np.abs(found - expected).max() > 1e-4


def test_int8_vectors_are_near_without_8_bit_instructions(encoder, monkeypatch):
    # As on a processor that lacks them, where signed weights would saturate.
    monkeypatch.setattr(onnx, "has_int8_products", lambda: False)
    layer = build_exported_encoder("onnx", pieces=24, overlap=6)
    layer.shims[0] = ExportedShim.from_encoder(encoder.shims[0], "onnx", int8=True)
    assert cosines(vectors(layer), vectors(encoder)).min() > 0.999


def test_int8_vectors_do_not_depend_on_the_other_docs(exported):
    # One scale for a whole batch would give a doc other vectors beside other docs.
    layer = exported("onnx", int8=True)
    together = layer.predict([spacy.blank("en")(text) for text in TEXTS])
    alone = [vectors(layer, [text]) for text in TEXTS]
    for found, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda shim: pickle.loads(pickle.dumps(shim))])
def test_copies_predict_the_same(exported, backend, copier):
    layer = exported(backend)
    expected = vectors(layer)
    copied = build_exported_encoder(backend, pieces=24, overlap=6)
    copied.shims[0] = copier(layer.shims[0])
    assert copied.shims[0].runtime is not layer.shims[0].runtime
    np.testing.assert_array_equal(vectors(copied), expected)


def test_pipeline_is_saved_whole(pipeline, tagger, backend, tmp_path):
    texts = sample(tagger[1])
    expected = entities(tagger[0], texts)
    assert sum(map(len, expected)) > 10
    assert entities(pipeline, texts) == expected
    pipeline.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.config["components"]["ner"]["model"]["tok2vec"]["backend"] == backend
    assert entities(loaded, texts) == expected
    from_bytes = spacy.util.load_model_from_config(loaded.config).from_bytes(loaded.to_bytes())
    assert entities(from_bytes, texts) == expected
    assert entities(pickle.loads(pickle.dumps(loaded)), texts) == expected


def test_no_weights_of_pytorch_are_saved(pipeline):
    tree = [pipeline.get_pipe("ner").model.to_bytes()]
    shims = [shim for node in srsly.msgpack_loads(tree[0])["shims"] for shim in node if shim]
    saved = [srsly.msgpack_loads(shim) for shim in shims]
    (encoder,) = [each for each in saved if isinstance(each, dict) and "tokenizer" in each]
    assert "weights" not in encoder
    assert {name.rsplit(".")[-1] for name in encoder["files"]} <= {"onnx", "xml", "bin"}


def test_processes(pipeline, tagger):
    texts = sample(tagger[1])
    expected = entities(pipeline, texts)
    found = [doc.ents for doc in pipeline.pipe(texts, n_process=2, batch_size=5)]
    assert [[(e.start, e.end, e.label_) for e in ents] for ents in found] == [
        [entity[:3] for entity in of_doc] for of_doc in expected
    ]


@pytest.mark.parametrize("int8", [False, True])
def test_threads_give_the_answers_of_one(tagger, backend, int8):
    nlp = copy.deepcopy(tagger[0])
    export_encoders(nlp, backend, int8=int8)
    texts = sample(tagger[1]) * 4
    # The first call opens the session, so all threads come before it.
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: entities(nlp, [text])[0], texts))
    assert found == [entities(nlp, [text])[0] for text in texts]


@pytest.mark.parametrize("way", ["update", "rehearse"])
def test_training_is_refused(pipeline, tagger, way):
    docs = tagger[1]
    examples = [Example(without_annotation(doc, pipeline.vocab), doc) for doc in docs[:3]]
    optimizer = pipeline.resume_training()
    with pytest.raises(CrossnerError, match=r"C513.*cannot be trained"):
        getattr(pipeline, way)(examples, sgd=optimizer)


def test_begin_update_of_the_layer_is_refused(exported, backend):
    with pytest.raises(CrossnerError, match="C513"):
        exported(backend).begin_update([Doc(spacy.blank("en").vocab, words=["ada"])])


def test_a_layer_from_a_config_has_no_encoder(backend):
    layer = build_exported_encoder(backend)
    with pytest.raises(CrossnerError, match="C512"):
        layer.initialize(X=[])
    assert build_exported_encoder(backend).from_bytes(layer.to_bytes()).shims[0].to_bytes() == layer.shims[0].to_bytes()


def test_unknown_backend():
    with pytest.raises(CrossnerError, match=r"C511.*'tensorrt'.*onnx, openvino"):
        build_exported_encoder("tensorrt")


def test_missing_library(pipeline, backend, tmp_path, monkeypatch):
    pipeline.to_disk(tmp_path / "model")
    monkeypatch.setitem(sys.modules, LIBRARIES[backend], None)
    with pytest.raises(CrossnerError, match=rf"C510.*spacy-crossner\[{backend}\]"):
        spacy.load(tmp_path / "model")


def test_missing_exporter(encoder, backend, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(CrossnerError, match=r"C510.*onnx, which is not installed"):
        ExportedShim.from_encoder(encoder.shims[0], backend, int8=False)


def test_damaged_files(exported, backend):
    layer = build_exported_encoder(backend)
    saved = srsly.msgpack_loads(exported(backend).shims[0].to_bytes())
    saved["files"] = {name: content[: len(content) // 3] for name, content in saved["files"].items()}
    layer.shims[0].from_bytes(srsly.msgpack_dumps(saved))
    with pytest.raises(CrossnerError, match="C515"):
        vectors(layer)


@pytest.mark.parametrize(
    ("single", "integers", "refused"),
    [
        ([1.0, 1.0, 1.0], [0.8, 1.0, 1.0, 1.0, 1.0], False),
        ([1.0, 1.0, 1.0], [0.8, 0.9, 1.0], True),
        ([1.0, 1.0, float("nan")], [1.0, 1.0], True),
        ([1.0, 1.0, 0.99], [1.0, 1.0], True),
    ],
)
def test_an_export_that_computes_other_vectors_is_refused(encoder, backend, monkeypatch, single, integers, refused):
    found = iter([torch.tensor(single), torch.tensor(integers)])
    monkeypatch.setattr(export, "cosines", lambda *arguments: next(found))
    with pytest.raises(CrossnerError, match="C514") if refused else nullcontext():
        ExportedShim.from_encoder(encoder.shims[0], backend, int8=True)


def test_cosines_are_those_of_the_vectors(encoder, backend):
    module = encoder.shims[0].module
    names = ["input_ids", "attention_mask", "token_type_ids"]
    files = export.export_files(module, names, backend, int8=False)
    found = export.cosines(module, names, backend, files)
    assert len(found) == 2 * 17 + 9
    assert found.min() > 0.9999
    with torch.no_grad():
        module.embeddings.word_embeddings.weight.neg_()
    assert export.cosines(module, names, backend, files).min() < 0.9
    with torch.no_grad():
        module.embeddings.word_embeddings.weight.neg_()
