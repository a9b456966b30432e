"""Encoders on ONNX Runtime."""

from typing import Any, Dict

import numpy as np
import torch
from numpy.typing import NDArray

from .runtime import EncoderRuntime

MODEL = "model.onnx"


def has_int8_products() -> bool:
    """Return whether the processor has instructions for products of 8-bit integers that do not saturate (VNNI)."""
    # PyTorch has no public function for it.
    return bool(getattr(torch.cpu, "_is_vnni_supported", bool)())


class OnnxRuntime(EncoderRuntime):
    """Runs an encoder on ONNX Runtime. Its file is `MODEL`."""

    backend = "onnx"
    library = "onnxruntime"

    def open(self) -> Any:
        """Open a session."""
        onnxruntime = self.import_library()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        if not has_int8_products():
            # Otherwise sums of products of signed weights saturate (up to 2 * 255 * 127 in 16 bits). ONNX Runtime makes
            # the weights unsigned as it opens the model.
            options.add_session_config_entry("session.x64quantprecision", "1")
        # Errors alone: it warns of shapes that it infers later.
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.files[MODEL], options, providers=["CPUExecutionProvider"])

    def run(self, session: Any, inputs: Dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Run the encoder."""
        (hidden,) = session.run(None, inputs)
        return hidden
