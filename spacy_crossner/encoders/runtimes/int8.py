"""8-bit integers in an ONNX graph: one scale for each output channel of a weight, and one for each piece's vector.

The scales of the vectors are computed as the graph runs. With one scale for a whole batch, as in ONNX Runtime's own
dynamic quantization, a few large values take the resolution from all other vectors: the error is three to four times as
large (in 1 - cosine).
"""

from typing import Any, Dict, List, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# ONNX Runtime's own operators.
DOMAIN = "com.microsoft"
# An integer has this many steps on either side of 0. In unsigned integers, `MIDDLE` stands for 0.
STEPS = 127.0
MIDDLE = 128


def quantize_weights(model: onnx.ModelProto) -> None:
    """Replace each product with a constant matrix by a product of 8-bit integers. The model is changed in place.

    Vectors are unsigned and weights signed: a processor with instructions for 8-bit products (VNNI) computes these
    twice as fast as products of two unsigned matrices. `OnnxRuntime` prepares the weights for other processors.

    model (onnx.ModelProto): opset 17.
    """
    graph = model.graph
    matrices = {tensor.name: tensor for tensor in graph.initializer if len(tensor.dims) == 2}
    nodes: List[onnx.NodeProto] = []
    constants = _Constants(graph)
    inputs: Dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in matrices:
            nodes.append(node)
            continue
        weights = numpy_helper.to_array(matrices[node.input[1]])
        vectors, (output,) = node.input[0], node.output
        if vectors not in inputs:
            # Query, key and value are products of the same vectors.
            inputs[vectors] = f"{vectors}/int8"
            nodes += _quantize_vectors(vectors, inputs[vectors], len(weights), constants)
        nodes += _multiply(inputs[vectors], weights, output, constants)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in (*graph.initializer, *constants.tensors) if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(kept)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))


class _Constants:
    """Constants to add to a graph, each under a name of its own."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.tensors: List[onnx.TensorProto] = []
        self._names = {tensor.name for tensor in graph.initializer}

    def __call__(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        if name not in self._names:
            self._names.add(name)
            self.tensors.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name


def _quantize_vectors(vectors: str, prefix: str, width: int, constant: _Constants) -> List[onnx.NodeProto]:
    """Return nodes that quantize vectors of shape (..., width), each with a scale of its own.

    They give `prefix/q` (n_vectors, width), in which 128 stands for 0, `prefix/scale` (n_vectors, 1), and
    `prefix/lead`, the shape without the last dimension.
    """

    def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
        named = [each[1:] if each.startswith("=") else f"{prefix}/{each}" for each in inputs]
        return helper.make_node(kind, named, [f"{prefix}/{output}"], **attributes)

    least, steps = "=" + constant("int8/least", 1e-9), "=" + constant("int8/steps", 1.0 / STEPS)
    first, last = "=" + constant("int8/first", [0], np.int64), "=" + constant("int8/last", [-1], np.int64)
    return [
        node("Reshape", ["=" + vectors, "=" + constant(f"{prefix}/rows", [-1, width], np.int64)], "flat"),
        # Not of the absolute values, which would be another copy of all vectors.
        node("ReduceMax", ["flat"], "max", axes=[1], keepdims=1),
        node("ReduceMin", ["flat"], "min", axes=[1], keepdims=1),
        node("Neg", ["min"], "negated"),
        node("Max", ["max", "negated", least], "largest"),
        node("Mul", ["largest", steps], "scale"),
        node("Squeeze", ["scale", last], "scale1d"),
        node("Shape", ["scale1d"], "n_vectors"),
        node("Expand", ["=" + constant("int8/middle1d", [MIDDLE], np.uint8), "n_vectors"], "middle1d"),
        node("QuantizeLinear", ["flat", "scale1d", "middle1d"], "q", axis=0),
        node("Shape", ["=" + vectors], "shape"),
        node("Slice", ["shape", first, last], "lead"),
    ]


def _multiply(prefix: str, weights: NDArray[np.float32], output: str, constant: _Constants) -> List[onnx.NodeProto]:
    """Return nodes that multiply quantized vectors by weights of shape (width, n_out), and give a name to the result.

    A vector is a (q - 128), with its scale a, and a weight is b W, with the scale b of its output channel. The product
    is a b (q - 128) W.
    """
    scales = np.maximum(np.abs(weights).max(0), 1e-12) / STEPS
    own = f"{output}/int8"
    product = [
        f"{prefix}/q",
        constant(f"{own}/weights", np.round(weights / scales), np.int8),
        # The scale of the vectors comes later, because the operator takes one for all vectors.
        constant("int8/one", 1),
        constant(f"{own}/scales", scales),
        constant("int8/middle", MIDDLE, np.uint8),
        # Of its own, because ONNX Runtime changes it together with the weights.
        constant(f"{own}/zero", 0, np.int8),
    ]
    n_out = constant(f"{own}/n_out", [weights.shape[1]], np.int64)
    return [
        helper.make_node("MatMulIntegerToFloat", product, [f"{own}/product"], domain=DOMAIN),
        helper.make_node("Mul", [f"{own}/product", f"{prefix}/scale"], [f"{own}/flat"]),
        helper.make_node("Concat", [f"{prefix}/lead", n_out], [f"{own}/shape"], axis=0),
        helper.make_node("Reshape", [f"{own}/flat", f"{own}/shape"], [output]),
    ]
