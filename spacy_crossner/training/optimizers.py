"""AdamW as in torch: one rate for encoders and one for heads, warm-up and decay, clipping over all gradients.

Below it, how the state of an optimizer, this one or one of thinc's, is saved and put back.
"""

from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple, cast

import torch
from thinc.api import Optimizer, torch2xp, xp2torch
from thinc.types import FloatsXd

from ..core.weights import Key
from ..errors import CrossnerError, Errors

# Numbers and names, and tensors.
State = Tuple[Dict[str, Any], Dict[str, torch.Tensor]]

# What thinc's optimizers keep for each parameter.
THINC_TENSORS = ("mom1", "mom2", "averages")


class HeadAdamW(Optimizer):
    """AdamW with separate rates for encoder and head (registered as an optimizer for `[training.optimizer]`).

    It collects the gradients of a batch and takes one fused step at the batch's end, in `step_schedules`, which
    `spacy train` calls. In a training loop of your own, call it after `finish_update` of each component.

    encoder_rate (float): peak learning rate of everything that is not a head.
    head_rate (float): peak learning rate of heads. Our components mark theirs.
    total_steps (int): length of the schedule: a linear rise from 0, then a linear fall to 0; 0 for constant rates.
    warmup (float): share of the steps over which the rates rise.
    weight_decay (float): decoupled weight decay of matrices; biases and norms have none.
    grad_clip (float): bound on the norm of all gradients together; 0 for none.
    beta1 (float): decay of the first moment.
    beta2 (float): decay of the second moment.
    eps (float): term added to the denominator.
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
    ) -> None:
        super().__init__(encoder_rate, use_averages=False, grad_clip=grad_clip)
        self.peaks = {False: encoder_rate, True: head_rate}
        self.total_steps = total_steps
        self.warmup_steps = max(1.0, warmup * total_steps)
        self.weight_decay = weight_decay
        self.settings: Dict[str, Any] = {"betas": (beta1, beta2), "eps": eps}
        self.step = 0
        self.heads: Set[Key] = set()
        self.parameters: Dict[Key, torch.nn.Parameter] = {}
        self.arrays: Dict[Key, FloatsXd] = {}
        self.gradients: Dict[Key, torch.Tensor] = {}
        self.scales: Dict[Key, float] = {}
        self.taken: Set[Key] = set()
        self.adamw: Optional[torch.optim.AdamW] = None
        self.regroup = False

    def mark_head(self, keys: Iterable[Key]) -> None:
        """Give parameters the head's rate. Keys are whole: thinc numbers shims and layers each from 1."""
        self.heads.update(keys)

    def __call__(
        self, key: Key, weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> Tuple[FloatsXd, FloatsXd]:
        """Take in a parameter's gradient. The weights are returned as they are; the step changes them in place.

        RAISES (CrossnerError): no step was taken since the parameter's last gradient.
        """
        self._note(key)
        parameter = self.parameters.get(key)
        tensor = xp2torch(weights)
        if parameter is None or parameter.shape != weights.shape:
            # A head that has grown has new shapes; the moments of the old ones mean nothing to it.
            parameter = self.parameters[key] = torch.nn.Parameter(tensor)
            self.arrays[key] = weights
            self.regroup = True
        elif parameter.data_ptr() != tensor.data_ptr():
            # The owner has laid its weights out anew since the last step.
            parameter.data = tensor
            self.arrays[key] = weights
        if self.scales.get(key) != lr_scale:
            self.scales[key] = lr_scale
            self.regroup = True
        # A copy, as the owner zeroes its gradient; into memory that stays, as fresh pages are dear.
        if key not in self.gradients or self.gradients[key].shape != tensor.shape:
            self.gradients[key] = torch.empty_like(tensor)
        parameter.grad = self.gradients[key].copy_(xp2torch(gradient))
        gradient *= 0
        # Always the first view of this memory: the shim wraps what it gets, so that views of views would pile up, a
        # few hundred small objects a step, and keep the heap from ever shrinking.
        return self.arrays.setdefault(key, weights), gradient

    def take_parameter(self, key: Key, parameter: torch.nn.Parameter) -> None:
        """Take in a torch parameter that has a gradient, with nothing copied: the step uses it and drops it.

        Our own torch layers hand their parameters over so; `__call__` is for all others.

        RAISES (CrossnerError): no step was taken since the parameter was last handed over.
        """
        self._note(key)
        known = self.parameters.get(key)
        if known is not parameter:
            self.parameters[key] = parameter
            self.gradients.pop(key, None)
            self.scales[key] = 1.0
            self.regroup = True
            if self.adamw is not None and known is not None and known.shape == parameter.shape:
                # Another object for the same weights: after a checkpoint, say.
                self.adamw.state[parameter] = self.adamw.state.pop(known, {})

    def _note(self, key: Key) -> None:
        if key in self.taken:
            raise CrossnerError(Errors.C014)
        self.taken.add(key)

    def step_schedules(self) -> None:
        """Take the step for the gradients that came in, then move the schedule on."""
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
        # Fused steps leave it as it is, and what was made of the old weights would pass for new.
        torch.autograd.graph.increment_version(list(self.parameters.values()))
        self.adamw.zero_grad(set_to_none=True)
        self.taken.clear()
        self.step += 1
        self.learn_rate = self.peaks[False] * self.rate_factor(self.step)

    def to_state(self, names: Mapping[Key, str]) -> State:
        """Return all that the next step depends on; see `optimizer_to_state`."""
        # In their order, in which the norm of all gradients is summed.
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
        """Put back what `to_state` gave; see `optimizer_from_state`."""
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
        """Return the share of the peak rate at a step, counted from 0: never 0 within `total_steps`."""
        if not self.total_steps:
            return 1.0
        rise = (step + 1) / self.warmup_steps
        fall = (self.total_steps - step) / max(1.0, self.total_steps - self.warmup_steps)
        return max(0.0, min(1.0, rise, fall))

    def _make_adamw(self) -> torch.optim.AdamW:
        """Return an optimizer over all parameters, with the moments of the one before."""
        groups: Dict[Tuple[float, float], List[torch.nn.Parameter]] = {}
        for key, parameter in self.parameters.items():
            peak = self.peaks[key in self.heads] * self.scales[key]
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
    """Return all that the next step of an optimizer depends on, beside the weights and its settings.

    optimizer (Optimizer): one that `can_be_saved`.
    names (Mapping[Key, str]): the lasting name of each parameter. Keys are not: they hold numbers that a process gives.
    RETURNS (State): what JSON can hold, and tensors by name.
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
    """Put back what `optimizer_to_state` gave.

    optimizer (Optimizer): a new one of the same settings.
    state (State): its state.
    parameters (Mapping[str, Tuple[Key, Tensor]]): key and weights, in their own memory, of each parameter by its name.
    steps (int): how often it was stepped; thinc's schedules are generators, which are run through again.
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
