"""Encoders on OpenVINO."""

from typing import Any, Dict, List, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.util import make_tempdir

from ..precision import find_dtype
from .runtime import EncoderRuntime, import_library

GRAPH, WEIGHTS = "model.xml", "model.bin"
# OpenVINO's names of types. It has no half precision (fp16) on a CPU, and computes in its default type then.
HINTS = {None: "f32", torch.bfloat16: "bf16"}


class Session(NamedTuple):
    """A compiled model, and its requests that no thread uses at the moment."""

    model: Any
    requests: List[Any]


class OpenVinoRuntime(EncoderRuntime):
    """Runs an encoder on OpenVINO. Its files are `GRAPH` and `WEIGHTS`."""

    backend = "openvino"
    library = "openvino"

    def open(self) -> Session:
        """Compile the model."""
        openvino = self.import_library()
        core = openvino.Core()
        settings: Dict[str, Any] = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
        dtype = find_dtype(self.precision, torch.device("cpu"))
        if dtype in HINTS:
            settings["INFERENCE_PRECISION_HINT"] = HINTS[dtype]
        model = core.read_model(self.files[GRAPH], self.files[WEIGHTS])
        return Session(core.compile_model(model, "CPU", settings), [])

    def run(self, session: Session, inputs: Dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Run the encoder. Each call has a request for itself."""
        try:
            request = session.requests.pop()
        except IndexError:
            request = session.model.create_infer_request()
        # A copy, because the next call writes its output into the same memory.
        hidden = np.array(request.infer(inputs, share_inputs=True)[0])
        session.requests.append(request)
        return hidden


def onnx_to_openvino(onnx_model: bytes, *, int8: bool) -> Dict[str, bytes]:
    """Return the files of an OpenVINO model.

    onnx_model (bytes): the encoder in the ONNX format, without integers.
    int8 (bool): store the weights as 8-bit integers, with a scale for each output channel. Where the processor has
        instructions for 8-bit products, OpenVINO quantizes the vectors, too, as it runs.
    RAISES (CrossnerError): OpenVINO is not installed.
    """
    openvino = OpenVinoRuntime.import_library()
    model = openvino.Core().read_model(onnx_model)
    if int8:
        compress_weights(model)
    with make_tempdir() as folder:
        openvino.serialize(model, folder / GRAPH, folder / WEIGHTS)
        return {name: (folder / name).read_bytes() for name in (GRAPH, WEIGHTS)}


def compress_weights(model: Any) -> None:
    """Store the constant matrices of products as 8-bit integers. The model is changed in place."""
    opset = import_library("openvino.opset13", OpenVinoRuntime.backend)
    for product in model.get_ordered_ops():
        if product.get_type_name() != "MatMul":
            continue
        matrix = product.input_value(1).get_node()
        if matrix.get_type_name() != "Constant" or len(matrix.get_output_shape(0)) != 2:
            continue
        weights = np.asarray(matrix.data, dtype=np.float32)
        of_inputs = 1 if product.get_attributes()["transpose_b"] else 0
        scales = np.maximum(np.abs(weights).max(of_inputs, keepdims=True), 1e-12) / 127.0
        levels = opset.constant(np.round(weights / scales).astype(np.int8))
        restored = opset.multiply(opset.convert(levels, "f32"), opset.constant(scales.astype(np.float32)))
        product.input(1).replace_source_output(restored.output(0))
    model.validate_nodes_and_infer_types()
