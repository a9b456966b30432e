"""The thinc shim of our torch layers: prediction in several threads, and updates."""

import copy
from typing import Any, Callable, Optional, TypeVar

import torch
from thinc.api import ArgsKwargs, Optimizer, PyTorchShim, Shim
from torch import nn

from ..errors import CrossnerError, Errors
from ..threads import Lock

# A module is switched to evaluation once, before its first prediction, so one lock for all modules is enough.
MODE_LOCK = Lock()


Copied = TypeVar("Copied", bound="ModuleShim")


class ModuleShim:
    """Mixin for a thinc shim: predicts in any number of threads, and lets an optimizer step torch parameters.

    thinc's own shim switches the module to evaluation for each prediction and back to training after it: with several
    threads, one may switch to training, and so turn on dropout, while another one predicts.
    """

    id: int
    _model: nn.Module
    _mixed_precision: bool
    _grad_scaler: Any
    # The module whose submodules are all in evaluation mode; None while it is trained.
    _eval_module: Optional[nn.Module] = None

    def copy(self: Copied) -> Copied:
        """Return a copy with its own weights."""
        copied = copy.deepcopy(self)
        # A deep copy keeps the id, and an optimizer would mix up the states of the two modules.
        with Shim.global_id_lock:
            Shim.global_id += 1
            copied.id = Shim.global_id
        return copied

    def set_eval(self) -> None:
        """Switch the module to evaluation, if it is not in it."""
        # `training` alone is not enough: it may be False while another thread is still switching the submodules.
        if self._eval_module is not self._model or self._model.training:
            with MODE_LOCK:
                self._model.eval()
                self._eval_module = self._model

    def set_train(self) -> None:
        """Switch the module to training."""
        self._eval_module = None
        self._model.train()

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Return the module's output, without gradients. The module stays in evaluation mode.

        inputs (ArgsKwargs): the arguments of the module.
        """
        self.set_eval()
        with torch.no_grad(), torch.autocast(device_type="cuda", enabled=self._mixed_precision):
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(self, inputs: ArgsKwargs) -> Any:
        """Return the module's output in training mode, and the backprop function."""
        self._eval_module = None
        return super().begin_update(inputs)  # type: ignore[misc]

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights that have a gradient.

        thinc passes the weights and gradient of each parameter as arrays, gets new weights back, and sets the gradient
        to zero. An optimizer that steps torch parameters itself (`HeadAdamW.take_parameter`) gets the parameter.

        RAISES (CrossnerError): the optimizer is thinc's and the weights have half precision.
        """
        take_parameter: Optional[Callable[..., None]] = getattr(optimizer, "take_parameter", None)
        if take_parameter is None:
            # thinc's optimizers support only single precision.
            halves = {p.dtype for p in self._model.parameters() if p.grad is not None} & {torch.float16, torch.bfloat16}
            if halves:
                raise CrossnerError(Errors.C087.format(dtype=str(halves.pop()).removeprefix("torch.")))
            self._drop_outgrown(optimizer)
            super().finish_update(optimizer)  # type: ignore[misc]
            return
        # Mixed precision: no step if a gradient has overflowed.
        overflow = self._grad_scaler.found_inf
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if overflow:
                parameter.grad = None
            else:
                take_parameter((self.id, name), parameter)
        self._grad_scaler.update()

    def _drop_outgrown(self, optimizer: Optimizer) -> None:
        """Make an optimizer of thinc forget the weights that have grown: their moments have the old sizes."""
        if not isinstance(optimizer, Optimizer):
            # `nlp.rehearse` passes a function that collects gradients.
            return
        for name, parameter in self._model.named_parameters():
            key = (self.id, name)
            if key in optimizer.mom1 and optimizer.mom1[key].size != parameter.numel():
                for state in (optimizer.mom1, optimizer.mom2, optimizer.averages, optimizer.nr_update):
                    if state is not None:
                        state.pop(key, None)


class HeadShim(ModuleShim, PyTorchShim):
    """The shim of a head, and of a BiLSTM below one."""
