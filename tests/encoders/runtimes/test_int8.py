"""The integer graph against the same arithmetic in numpy."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from spacy_crossner.encoders.runtimes.int8 import quantize_weights  # noqa: E402
from spacy_crossner.encoders.runtimes.onnx import has_int8_products  # noqa: E402


def quantized(*weights):
    """Return a quantized graph that multiplies one input by several matrices."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["a", "b", len(weights[0])])
    names = [f"y{i}" for i in range(len(weights))]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    nodes = [helper.make_node("MatMul", ["x", f"w{i}"], [name]) for i, name in enumerate(names)]
    matrices = [numpy_helper.from_array(w, f"w{i}") for i, w in enumerate(weights)]
    graph = helper.make_graph(nodes, "products", [given], outputs, matrices)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    quantize_weights(model)
    return model


@pytest.fixture(params=["signed", "unsigned"])
def run(request):
    """Return a function that runs a graph, with signed weights, and with the unsigned ones for older processors."""
    if request.param == "signed" and not has_int8_products():
        pytest.skip("signed weights saturate on this processor")

    def run_graph(model, x):
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", str(int(request.param == "unsigned")))
        return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {"x": x})

    return run_graph


def by_hand(x, weights):
    scales = np.abs(weights).max(0) / 127
    restored = np.round(weights / scales) * scales
    step = np.maximum(np.abs(x).max(-1, keepdims=True), 1e-9) / 127
    return np.round(x / step) * step @ restored


@pytest.mark.parametrize("case", ["both signs", "positive", "negative", "zeros", "one large value"])
def test_products(case, run):
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 5, 64)).astype(np.float32)
    changed = {"positive": np.abs(x) + 1, "negative": -np.abs(x) - 1, "zeros": 0 * x}
    x = changed.get(case, x)
    if case == "one large value":
        x[1, 2, 3] = 1000.0
    weights = [random.normal(size=(64, n)).astype(np.float32) * random.uniform(0.01, 10, n) for n in (7, 130)]
    weights = [each.astype(np.float32) for each in weights]
    model = quantized(*weights)
    assert not any(node.op_type == "MatMul" for node in model.graph.node)
    for found, each in zip(run(model, x), weights, strict=True):
        np.testing.assert_allclose(
            found, by_hand(x.astype(np.float64), each), atol=2e-2 * np.abs(each).max(), rtol=2e-2
        )
        if case == "one large value":
            # It takes nothing from the other vectors.
            (other,) = run(quantized(each), np.delete(x, 1, axis=0))
            np.testing.assert_allclose(np.delete(found, 1, axis=0), other, rtol=1e-6)


def test_equal_inputs_are_quantized_once():
    weights = [np.ones((4, 2), dtype=np.float32), np.ones((4, 3), dtype=np.float32)]
    model = quantized(*weights)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("QuantizeLinear"), kinds.count("MatMulIntegerToFloat")) == (1, 2)
    assert {tensor.name for tensor in model.graph.initializer}.isdisjoint({"w0", "w1"})
