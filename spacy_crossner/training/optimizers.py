"""AdamW with separate learning rates for encoders and heads, warm-up, linear decay and gradient clipping.

The functions at the end save and restore the state of optimizers: of this one and of thinc's.
"""

from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple, cast

import torch
from thinc.api import Optimizer, torch2xp, xp2torch
from thinc.types import FloatsXd

from ..core.weights import Key
from ..errors import CrossnerError, Errors

# Values that JSON can hold, and tensors by name.
State = Tuple[Dict[str, Any], Dict[str, torch.Tensor]]

# Attributes of thinc's optimizers that hold a tensor for each parameter.
THINC_TENSORS = ("mom1", "mom2", "averages")


class HeadAdamW(Optimizer):
    """AdamW with separate rates for encoder and head (registered as an optimizer for `[training.optimizer]`).

    The optimizer collects the gradients of a batch. `step_schedules` then takes one fused step for all parameters.
    `spacy train` calls it. In your own training loop, call it after `finish_update` of all components.

    encoder_rate (float): peak learning rate of all parameters outside of heads.
    head_rate (float): peak learning rate of heads. The components of this package mark their heads.
    total_steps (int): length of the schedule, a linear rise from 0 and a linear fall to 0; 0 for constant rates.
    warmup (float): fraction of the steps with rising rates.
    weight_decay (float): decoupled weight decay of matrices. Biases and norms have no weight decay.
    grad_clip (float): maximum norm of all gradients together; 0 for no clipping.
    beta1 (float): decay of the first moment.
    beta2 (float): decay of the second moment.
    eps (float): term added to the denominator.
    thinc_rate (Optional[float]): peak learning rate of thinc's own layers outside of marked heads, such as the parser
        of spaCy's `ner` on a torch encoder; None for `encoder_rate`.
    """

    def __init__(
        self,
        encoder_rate: float = 5e-5,
        head_rate: float = 1e-3,
        total_steps: int = 0,
        warmup: float = 0.1,
        weight_decay: float = 0.01,
        grad_clip: float = 1.0,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        thinc_rate: Optional[float] = None,
    ) -> None:
        super().__init__(encoder_rate, use_averages=False, grad_clip=grad_clip)
        self.peaks = {False: encoder_rate, True: head_rate}
        self.total_steps = total_steps
        self.warmup_steps = max(1.0, warmup * total_steps)
        self.weight_decay = weight_decay
        self.settings: Dict[str, Any] = {"betas": (beta1, beta2), "eps": eps}
        self.step = 0
        self.thinc_peak = encoder_rate if thinc_rate is None else thinc_rate
        self.heads: Set[Key] = set()
        self.of_thinc: Set[Key] = set()
        self.parameters: Dict[Key, torch.nn.Parameter] = {}
        self.arrays: Dict[Key, FloatsXd] = {}
        self.gradients: Dict[Key, torch.Tensor] = {}
        self.scales: Dict[Key, float] = {}
        self.taken: Set[Key] = set()
        self.adamw: Optional[torch.optim.AdamW] = None
        self.regroup = False

    def mark_head(self, keys: Iterable[Key]) -> None:
        """Use the head's rate for parameters. Keys have to be complete: thinc numbers shims and layers separately."""
        self.heads.update(keys)

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Tuple[FloatsXd, FloatsXd]:
        """Store the gradient of a parameter. The weights are returned unchanged; the step updates them in place.

        RAISES (CrossnerError): the parameter already has a gradient for this step.
        """
        self._note(key)
        if key not in self.of_thinc:
            self.of_thinc.add(key)
            self.regroup = True
        parameter = self.parameters.get(key)
        tensor = xp2torch(weights)
        if parameter is None or parameter.shape != weights.shape:
            # The head has grown: the moments of the old shape cannot be used.
            parameter = self.parameters[key] = torch.nn.Parameter(tensor)
            self.arrays[key] = weights
            self.regroup = True
        elif parameter.data_ptr() != tensor.data_ptr():
            # The owner has moved its weights to other memory since the last step.
            parameter.data = tensor
            self.arrays[key] = weights
        if self.scales.get(key) != lr_scale:
            self.scales[key] = lr_scale
            self.regroup = True
        # Copy, because the owner zeroes its gradient. Reuse the memory, because new pages are expensive.
        if key not in self.gradients or self.gradients[key].shape != tensor.shape:
            self.gradients[key] = torch.empty_like(tensor)
        parameter.grad = self.gradients[key].copy_(xp2torch(gradient))
        gradient *= 0
        # Always return the first view of this memory. The shim wraps the returned array, so that views of views would
        # accumulate: a few hundred small objects per step, which fragment the heap.
        return self.arrays.setdefault(key, weights), gradient

    def take_parameter(self, key: Key, parameter: torch.nn.Parameter) -> None:
        """Register a torch parameter that has a gradient, without a copy. The step uses the gradient and clears it.

        The torch layers of this package use this method; all other layers use `__call__`.

        RAISES (CrossnerError): the parameter is already registered for this step.
        """
        self._note(key)
        known = self.parameters.get(key)
        if known is not parameter:
            self.parameters[key] = parameter
            self.gradients.pop(key, None)
            self.scales[key] = 1.0
            self.regroup = True
            if self.adamw is not None and known is not None and known.shape == parameter.shape:
                # A new object with the same weights, for example after a checkpoint was loaded.
                self.adamw.state[parameter] = self.adamw.state.pop(known, {})

    def _note(self, key: Key) -> None:
        if key in self.taken:
            raise CrossnerError(Errors.C014)
        self.taken.add(key)

    def step_schedules(self) -> None:
        """Update the parameters with the collected gradients, then advance the schedule."""
        super().step_schedules()
        if self.adamw is None or self.regroup:
            if not self.parameters:
                return
            self.adamw = self._make_adamw()
            self.regroup = False
        factor = self.rate_factor(self.step)
        for group in self.adamw.param_groups:
            group["lr"] = group["peak"] * factor
        if self.grad_clip:
            torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.grad_clip)
        self.adamw.step()
        # Fused steps do not increment the version, so that values cached from the old weights would seem current.
        torch.autograd.graph.increment_version(list(self.parameters.values()))
        self.adamw.zero_grad(set_to_none=True)
        self.taken.clear()
        self.step += 1
        self.learn_rate = self.peaks[False] * self.rate_factor(self.step)

    def to_state(self, names: Mapping[Key, str]) -> State:
        """Return the state of the optimizer; see `optimizer_to_state`."""
        # Keep the order: the gradient norm is summed in it.
        keys = [key for key in self.parameters if key in names]
        moments = {} if self.adamw is None else self.adamw.state
        tensors = {
            f"{names[key]}/{field}": value
            for key in keys
            for field, value in moments.get(self.parameters[key], {}).items()
        }
        parameters = [[names[key], self.scales[key], key in self.heads] for key in keys]
        return {"step": self.step, "parameters": parameters}, tensors

    def from_state(self, state: State, parameters: Mapping[str, Tuple[Key, torch.Tensor]]) -> None:
        """Restore a state from `to_state`; see `optimizer_from_state`."""
        settings, tensors = state
        self.step = settings["step"]
        self.learn_rate = self.peaks[False] * self.rate_factor(self.step)
        for name, scale, is_head in settings["parameters"]:
            key, tensor = parameters[name]
            self.parameters[key] = torch.nn.Parameter(tensor)
            self.arrays[key] = cast(FloatsXd, torch2xp(tensor))
            self.gradients[key] = torch.empty_like(tensor)
            self.scales[key] = scale
            if is_head:
                self.mark_head([key])
        if self.parameters:
            self.adamw = self._make_adamw()
            for name, _, _ in settings["parameters"]:
                key, tensor = parameters[name]
                fields = {field: tensors.get(f"{name}/{field}") for field in ("step", "exp_avg", "exp_avg_sq")}
                moments = {field: value.to(tensor.device) for field, value in fields.items() if value is not None}
                if moments:
                    self.adamw.state[self.parameters[key]] = moments

    def rate_factor(self, step: int) -> float:
        """Return the fraction of the peak rate at a step, counted from 0. It is above 0 within `total_steps`."""
        if not self.total_steps:
            return 1.0
        rise = (step + 1) / self.warmup_steps
        fall = (self.total_steps - step) / max(1.0, self.total_steps - self.warmup_steps)
        return max(0.0, min(1.0, rise, fall))

    def _make_adamw(self) -> torch.optim.AdamW:
        """Return an optimizer over all parameters that keeps the moments of the previous optimizer."""
        groups: Dict[Tuple[float, float], List[torch.nn.Parameter]] = {}
        for key, parameter in self.parameters.items():
            unmarked = self.thinc_peak if key in self.of_thinc else self.peaks[False]
            peak = (self.peaks[True] if key in self.heads else unmarked) * self.scales[key]
            # thinc's biases are called "b" and may have two dimensions (Maxout).
            decay = self.weight_decay if parameter.dim() > 1 and key[1] != "b" else 0.0
            groups.setdefault((peak, decay), []).append(parameter)
        adamw = torch.optim.AdamW(
            [
                {"params": parameters, "peak": peak, "weight_decay": decay}
                for (peak, decay), parameters in groups.items()
            ],
            fused=True,
            **self.settings,
        )
        if self.adamw is not None:
            kept = set(self.parameters.values())
            adamw.state.update({p: state for p, state in self.adamw.state.items() if p in kept})
        return adamw


def can_be_saved(optimizer: Optimizer) -> bool:
    """Return whether the state of an optimizer can be saved: HeadAdamW, and thinc's Adam, RAdam and SGD."""
    return type(optimizer) is Optimizer or isinstance(optimizer, HeadAdamW)


def optimizer_to_state(optimizer: Optimizer, names: Mapping[Key, str]) -> State:
    """Return the state of an optimizer: everything that its next step depends on except weights and settings.

    optimizer (Optimizer): an optimizer for which `can_be_saved` is true.
    names (Mapping[Key, str]): a stable name of each parameter. Keys differ between processes.
    RETURNS (State): values that JSON can hold, and tensors by name.
    """
    if isinstance(optimizer, HeadAdamW):
        return optimizer.to_state(names)
    tensors = {
        f"{names[key]}/{field}": xp2torch(array)
        for field in THINC_TENSORS
        for key, array in (getattr(optimizer, field) or {}).items()
        if key in names
    }
    updates = {names[key]: n for key, n in optimizer.nr_update.items() if key in names}
    return {"updates": updates, "radam": optimizer._radam_buffer}, tensors


def optimizer_from_state(
    optimizer: Optimizer, state: State, parameters: Mapping[str, Tuple[Key, torch.Tensor]], steps: int
) -> None:
    """Restore the state of an optimizer from `optimizer_to_state`.

    optimizer (Optimizer): a new optimizer with the same settings.
    state (State): the saved state.
    parameters (Mapping[str, Tuple[Key, Tensor]]): key and weights (not a copy) of each parameter by name.
    steps (int): number of steps taken. thinc's schedules are generators and have to be advanced again.
    """
    if isinstance(optimizer, HeadAdamW):
        optimizer.from_state(state, parameters)
        return
    settings, tensors = state
    for _ in range(steps):
        optimizer.step_schedules()
    optimizer.nr_update.update({parameters[name][0]: n for name, n in settings["updates"].items()})
    optimizer._radam_buffer = settings["radam"]
    for full_name, tensor in tensors.items():
        name, _, field = full_name.rpartition("/")
        key, weights = parameters[name]
        getattr(optimizer, field)[key] = torch2xp(tensor.to(weights.device))
