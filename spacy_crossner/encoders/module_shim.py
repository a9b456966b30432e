"""How our torch layers predict and are updated."""

from typing import Any, Callable, Optional

import torch
from thinc.api import ArgsKwargs, Optimizer, PyTorchShim
from torch import nn

from ..errors import CrossnerError, Errors
from ..threads import Lock

# Switching a module takes place once, before it first predicts, so that one lock for all modules holds nobody up.
SWITCHING = Lock()


class ModuleShim:
    """Part of a thinc shim: predicts in any number of threads, and hands its parameters to an optimizer whole.

    thinc's own switches the module to evaluation for each prediction and back to training after it: while one thread
    predicts another one switches, and dropout is on.
    """

    id: int
    _model: nn.Module
    _mixed_precision: bool
    _grad_scaler: Any
    # The module that is in evaluation mode with all that is below it; None while it is trained.
    _evaluated: Optional[nn.Module] = None

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Return what the module makes of inputs, without gradients. The module stays in evaluation mode.

        inputs (ArgsKwargs): the arguments of the module.
        """
        # `training` alone would not do: it is False at the top while another thread is still switching what is below.
        if self._evaluated is not self._model or self._model.training:
            with SWITCHING:
                self._model.eval()
                self._evaluated = self._model
        with torch.no_grad(), torch.autocast(device_type="cuda", enabled=self._mixed_precision):
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> Any:
        """Return what the module makes of inputs in training mode, and the function that takes the gradient back."""
        self._evaluated = None
        return super().begin_update(inputs)  # type: ignore[misc]

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights that have a gradient.

        thinc passes weights and gradient of each parameter as arrays, gets new weights back, and sets the gradient to
        zero. An optimizer that steps torch parameters itself (`HeadAdamW.take_parameter`) needs none of that.

        RAISES (CrossnerError): the optimizer is one of thinc's and the weights have half precision.
        """
        take: Optional[Callable[..., None]] = getattr(optimizer, "take_parameter", None)
        if take is None:
            # thinc's optimizers work on arrays of single precision.
            halves = {p.dtype for p in self._model.parameters() if p.grad is not None} & {torch.float16, torch.bfloat16}
            if halves:
                raise CrossnerError(Errors.C087.format(dtype=str(halves.pop()).removeprefix("torch.")))
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


class HeadShim(ModuleShim, PyTorchShim):
    """The shim of a head, and of a BiLSTM below one."""
