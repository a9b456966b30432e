"""Encoders on ONNX Runtime."""

from typing import Any, Dict

import torch
from torch import Tensor

from .runtime import EncoderRuntime, import_library

MODEL = "model.onnx"


class OnnxRuntime(EncoderRuntime):
    """Runs an encoder on ONNX Runtime. Its file is `MODEL`."""

    backend = "onnx"
    library = "onnxruntime"

    def open(self) -> Any:
        """Open a session."""
        onnxruntime = import_library(self.library, self.backend)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        # Errors alone: it warns of shapes that it infers later.
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(self.files[MODEL], options, providers=["CPUExecutionProvider"])

    def run(self, session: Any, inputs: Dict[str, Tensor]) -> Tensor:
        """Run the encoder. A session may be used by several threads."""
        (hidden,) = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        return torch.from_numpy(hidden)
