"""8-bit integers in an ONNX graph: one scale for each output channel of a weight, and one for each piece's vector.

The scales of the vectors are computed as the graph runs. With one scale for a whole batch, as in ONNX Runtime's own
dynamic quantization, a few large values take the resolution from all other vectors: the error is about eight times as
large (in 1 - cosine).
"""

from typing import Any, Dict, List, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

# ONNX Runtime's own operators.
DOMAIN = "com.microsoft"
LEVELS = 255.0


def quantize_weights(model: onnx.ModelProto) -> None:
    """Replace each product with a constant matrix by a product of 8-bit integers. The model is changed in place.

    Weights are unsigned, as vectors are. Products of unsigned vectors and signed weights saturate on processors without
    instructions for 8-bit products (VNNI, AMX), and the error would be twice as large there.

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
    """Return nodes that quantize vectors of shape (..., width), each with a scale and a zero point of its own.

    They give `prefix/q` (n_vectors, width), `prefix/scale` (n_vectors, 1), `prefix/shift` (n_vectors, 1), the value
    that 0 stands for, and `prefix/lead`, the shape without the last dimension.
    """

    def node(kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
        named = [each[1:] if each.startswith("=") else f"{prefix}/{each}" for each in inputs]
        return helper.make_node(kind, named, [f"{prefix}/{output}"], **attributes)

    zero, least = "=" + constant("int8/zero", 0), "=" + constant("int8/least", 1e-9)
    last = "=" + constant("int8/last", [-1], np.int64)
    return [
        node("Reshape", ["=" + vectors, "=" + constant(f"{prefix}/rows", [-1, width], np.int64)], "flat"),
        node("ReduceMax", ["flat"], "max", axes=[1], keepdims=1),
        node("ReduceMin", ["flat"], "min", axes=[1], keepdims=1),
        # The range includes 0, so that the zero point is one of the levels.
        node("Max", ["max", zero], "high"),
        node("Min", ["min", zero], "low"),
        node("Sub", ["high", "low"], "range"),
        node("Max", ["range", least], "positive"),
        node("Div", ["positive", "=" + constant("int8/levels", LEVELS)], "scale"),
        node("Div", ["low", "scale"], "steps"),
        node("Round", ["steps"], "level"),
        node("Neg", ["level"], "zero"),
        node("Mul", ["level", "scale"], "shift"),
        node("Cast", ["zero"], "zeros", to=onnx.TensorProto.UINT8),
        node("Squeeze", ["scale", last], "scale1d"),
        node("Squeeze", ["zeros", last], "zero1d"),
        node("QuantizeLinear", ["flat", "scale1d", "zero1d"], "q", axis=0),
        node("Shape", ["=" + vectors], "shape"),
        node("Slice", ["shape", "=" + constant("int8/first", [0], np.int64), last], "lead"),
    ]


def _multiply(prefix: str, weights: NDArray[np.float32], output: str, constant: _Constants) -> List[onnx.NodeProto]:
    """Return nodes that multiply quantized vectors by weights of shape (width, n_out), and give a name to the result.

    A vector is a q + c, with its scale a and its shift c, and a weight is b W. The product is ab qW + c times
    the sum of bW.
    """
    scales = np.maximum(np.abs(weights).max(0), 1e-12) / 127.0
    levels = np.round(weights / scales)
    own = f"{output}/int8"
    ints, scale = constant(f"{own}/weights", levels + 128, np.uint8), constant(f"{own}/scales", scales)
    # Scale and zero point of the vectors, and the zero point of the weights.
    one, zero, middle = (
        constant("int8/one", 1),
        constant("int8/start", 0, np.uint8),
        constant("int8/middle", 128, np.uint8),
    )
    product = [f"{prefix}/q", ints, one, scale, zero, middle]
    n_out = constant(f"{own}/n_out", [weights.shape[1]], np.int64)
    sums = constant(f"{own}/sums", [(levels * scales).sum(0)])
    return [
        helper.make_node("MatMulIntegerToFloat", product, [f"{own}/product"], domain=DOMAIN),
        helper.make_node("Mul", [f"{own}/product", f"{prefix}/scale"], [f"{own}/scaled"]),
        helper.make_node("Mul", [f"{prefix}/shift", sums], [f"{own}/offset"]),
        helper.make_node("Add", [f"{own}/scaled", f"{own}/offset"], [f"{own}/flat"]),
        helper.make_node("Concat", [f"{prefix}/lead", n_out], [f"{own}/shape"], axis=0),
        helper.make_node("Reshape", [f"{own}/flat", f"{own}/shape"], [output]),
    ]
