"""Libraries that run an exported encoder in place of PyTorch, by name."""

from typing import Dict, Type

from ...errors import CrossnerError, Errors
from .onnx import OnnxRuntime
from .openvino import OpenVinoRuntime
from .runtime import EncoderRuntime

RUNTIMES: Dict[str, Type[EncoderRuntime]] = {each.backend: each for each in (OnnxRuntime, OpenVinoRuntime)}


def find_runtime(backend: str) -> Type[EncoderRuntime]:
    """Return the class of a backend.

    RAISES (CrossnerError): there is no such backend.
    """
    if backend not in RUNTIMES:
        raise CrossnerError(Errors.C511.format(backend=backend, known=", ".join(RUNTIMES)))
    return RUNTIMES[backend]
