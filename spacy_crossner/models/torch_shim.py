"""How our torch layers are updated."""

from typing import Any, Callable, Optional

from thinc.api import Optimizer, PyTorchShim
from torch import nn


class HandingOver:
    """Part of a thinc shim: hands its parameters to an optimizer that takes them whole, with nothing copied.

    thinc passes weights and gradient of each parameter as arrays, gets new weights back, and sets the gradient to
    zero. An optimizer that steps torch parameters itself (`HeadAdamW.take_parameter`) needs none of that.
    """

    id: int
    _model: nn.Module
    _grad_scaler: Any

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights that have a gradient."""
        take: Optional[Callable[..., None]] = getattr(optimizer, "take_parameter", None)
        if take is None:
            super().finish_update(optimizer)  # type: ignore[misc]
            return
        # Mixed precision: no step where a gradient has overflowed.
        overflow = self._grad_scaler.found_inf
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if overflow:
                parameter.grad = None
            else:
                take((self.id, name), parameter)
        self._grad_scaler.update()


class HeadShim(HandingOver, PyTorchShim):
    """The shim of a head."""
