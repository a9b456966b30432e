"""The number format in which an encoder computes: single precision, or half precision by PyTorch's autocast."""

from contextlib import AbstractContextManager, nullcontext
from typing import List, Optional

import srsly
import torch
from torch import Tensor

from ..errors import CrossnerError, Errors

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def check_precision(setting: str) -> None:
    """Check the name of a precision.

    RAISES (CrossnerError): there is no such precision.
    """
    if setting not in PRECISIONS:
        raise CrossnerError(Errors.C096.format(precision=setting, known=", ".join(PRECISIONS)))


def find_dtype(setting: str, device: torch.device) -> Optional[torch.dtype]:
    """Return the half-precision type in which matrices are multiplied; None for single precision.

    setting (str): "fp32", "bf16" or "fp16"; "auto" for bf16 where the device computes it fast, and fp32 elsewhere.
    device (torch.device): the device.
    """
    if setting == "auto":
        return torch.bfloat16 if has_fast_bf16(device) else None
    return DTYPES.get(setting)


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether a device has instructions for bf16. Without them, bf16 is several times slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        # PyTorch has no public function for it.
        checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, check, bool)() for check in checks)
    return False


def autocast(dtype: Optional[torch.dtype], device: torch.device) -> AbstractContextManager[None]:
    """Return a context in which matrices are multiplied in a type. Weights are converted once in a context."""
    return nullcontext() if dtype is None else torch.autocast(device_type=device.type, dtype=dtype)


class LossScale:
    """The factor on gradients in training with fp16, where small gradients would become 0.

    It is halved if a gradient overflows, and doubled after a number of updates without overflow.
    """

    def __init__(self, scale: float = 2.0**16, grow_after: int = 2000) -> None:
        self.scale = scale
        self.grow_after = grow_after
        self._updates = 0

    def unscale(self, gradients: List[Tensor]) -> bool:
        """Divide gradients by the factor, and adapt the factor. Return whether all gradients are finite.

        gradients (List[Tensor]): the gradients of all parameters, changed in place.
        """
        if not gradients:
            return True
        torch._foreach_mul_(gradients, 1.0 / self.scale)
        finite = bool(torch.stack([gradient.isfinite().all() for gradient in gradients]).all())
        if finite:
            self._updates += 1
            if self._updates % self.grow_after == 0:
                self.scale *= 2.0
        else:
            self.scale, self._updates = self.scale / 2.0, 0
        return finite

    def to_bytes(self) -> bytes:
        """Return the factor, and the number of updates since the last overflow."""
        return srsly.msgpack_dumps([self.scale, self._updates])

    def from_bytes(self, data: bytes) -> None:
        """Restore what `to_bytes` returned."""
        self.scale, self._updates = srsly.msgpack_loads(data)
