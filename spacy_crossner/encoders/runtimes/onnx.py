"""Encoders on ONNX Runtime."""

from typing import Any, Dict

import numpy as np
import torch
from numpy.typing import NDArray

from .runtime import EncoderRuntime

MODEL = "model.onnx"


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
        # Errors alone: it warns of shapes that it infers later.
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.files[MODEL], options, providers=["CPUExecutionProvider"])

    def run(self, session: Any, inputs: Dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Run the encoder."""
        (hidden,) = session.run(None, inputs)
        return hidden
