"""Torch weights as safetensors bytes, so that a pipeline is loaded without pickle."""

import json
from typing import Any, Dict

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ..errors import CrossnerError, Errors

FLOATS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def module_to_bytes(module: nn.Module) -> bytes:
    """Return the state of a module as safetensors."""
    # Cloned, because tied tensors share memory, which the format does not allow.
    state: Dict[str, Any] = {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}
    return save(state)


def weights_dtype(data: bytes) -> torch.dtype:
    """Return the type of the first floating-point tensor in saved weights; float32 for weights without one."""
    size = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8 : 8 + size])
    except ValueError:
        # The bytes are damaged: `module_from_bytes` raises the error.
        return torch.float32
    types = (entry.get("dtype") for name, entry in sorted(header.items()) if name != "__metadata__")
    return next((FLOATS[name] for name in types if name in FLOATS), torch.float32)


def module_from_bytes(module: nn.Module, data: bytes, device: torch.device) -> nn.Module:
    """Load a state into a module. Unless all tensors match in name, shape and type, no tensor is loaded.

    RAISES (CrossnerError): the bytes are damaged, or a tensor is missing, is unknown, or has another shape or type.
    """
    try:
        state = load(data)
    except SafetensorError as error:
        raise CrossnerError(Errors.C003.format(module=type(module).__name__, problem=f"damaged ({error})")) from None
    expected = module.state_dict()
    problems = [f"'{name}' is missing" for name in expected if name not in state]
    problems += [f"'{name}' is not known" for name in state if name not in expected]
    problems += [
        f"'{name}' has {_describe(value)}, not {_describe(expected[name])}"
        for name, value in state.items()
        if name in expected and (value.shape, value.dtype) != (expected[name].shape, expected[name].dtype)
    ]
    if problems:
        raise CrossnerError(Errors.C003.format(module=type(module).__name__, problem=", ".join(problems[:5])))
    module.load_state_dict(state)
    return module.to(device)


def _describe(tensor: torch.Tensor) -> str:
    return f"shape {tuple(tensor.shape)} of {tensor.dtype}"
