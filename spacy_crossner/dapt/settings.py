"""Settings of domain-adaptive pre-training."""

from dataclasses import dataclass, replace
from typing import Optional

import torch

from ..errors import CrossnerError

PRECISIONS = ("auto", "bf16", "fp32")

C425 = "[C425] Training with {setting} = {value}: expected {expected}."


@dataclass(frozen=True)
class DaptSettings:
    """Settings of training.

    max_steps (int): steps in which all weights are trained.
    epochs (float): passes over the text, in place of `max_steps`; 0 for `max_steps`.
    head_steps (int): steps before `max_steps` that train a new output layer alone; none for an encoder that has its own
        output layer.
    train_embeddings (Optional[bool]): train the word embeddings, too. None: only those of an encoder that has its own
        output layer. Below a new output layer all embeddings would move far, and words that the text does not hold
        would be lost.
    block_size (int): tokens of a block, special ones included.
    batch_size (int): blocks of a step, over all processes.
    accumulate (int): gradient accumulation: parts of a process's share of a step, to bound memory.
    rate (float): peak learning rate; it rises linearly from 0, then falls linearly to 0.
    head_rate (float): peak learning rate of `head_steps`.
    warmup (float): share of the steps over which the rate rises.
    weight_decay (float): decoupled weight decay of matrices; biases and norms have none.
    grad_clip (float): bound on the norm of the gradient; 0 for none.
    held_out (float): share of the lines held out for evaluation, with all their repetitions.
    eval_every (int): steps between two evaluations on held-out text; there is one before and one after training, too.
    save_every (int): steps between checkpoints.
    log_every (int): steps between rows of the log.
    precision (str): "bf16", "fp32", or "auto": bf16 where the hardware multiplies matrices in it.
    weight_interpolation (float): share of the original weight in each weight of the saved encoder; the rest is the
        adapted weight. The encoder forgets less of what the text does not hold (weight-space interpolation: WiSE-FT,
        Wortsman et al., 2022).
    seed (int): seed of the order of blocks, of masks and of dropout.
    RAISES (CrossnerError): a setting makes no sense.
    """

    max_steps: int = 1000
    epochs: float = 0.0
    head_steps: int = 50
    train_embeddings: Optional[bool] = None
    block_size: int = 128
    batch_size: int = 32
    accumulate: int = 1
    rate: float = 1e-4
    head_rate: float = 3e-3
    warmup: float = 0.06
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    held_out: float = 0.01
    eval_every: int = 200
    save_every: int = 200
    log_every: int = 10
    precision: str = "auto"
    weight_interpolation: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        for name in ("max_steps", "block_size", "batch_size", "accumulate", "eval_every", "save_every", "log_every"):
            self._expect(name, getattr(self, name) >= 1, "1 or more")
        for name in ("epochs", "head_steps", "weight_decay", "grad_clip", "seed"):
            self._expect(name, getattr(self, name) >= 0, "0 or more")
        for name in ("rate", "head_rate"):
            self._expect(name, getattr(self, name) > 0, "above 0")
        self._expect("warmup", 0 <= self.warmup <= 1, "0 to 1")
        self._expect("weight_interpolation", 0 <= self.weight_interpolation < 1, "0 or more, and below 1")
        self._expect("held_out", 0 < self.held_out < 1, "above 0 and below 1")
        self._expect("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS))

    def for_blocks(self, n_blocks: int) -> "DaptSettings":
        """Return the settings with passes over a text of so many blocks given as steps."""
        if not self.epochs:
            return self
        return replace(self, max_steps=max(1, round(self.epochs * n_blocks / self.batch_size)), epochs=0.0)

    def _expect(self, setting: str, is_met: bool, expected: str) -> None:
        if not is_met:
            raise CrossnerError(C425.format(setting=setting, value=getattr(self, setting), expected=expected))

    def dtype(self, device: torch.device) -> torch.dtype:
        """Return the type that matrices are multiplied in on a device."""
        is_bf16 = self.precision == "bf16" or (self.precision == "auto" and has_bf16(device))
        return torch.bfloat16 if is_bf16 else torch.float32


def has_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies matrices in bf16 by itself, rather than by way of fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # No public name for these; on other processors they are False.
        names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, name, bool)() for name in names)
    return False


def linear_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Return the learning rate of a step: a linear rise over the warm-up, then a linear fall to 0.

    step (int): the step, from 0.
    total (int): number of steps.
    peak (float): the highest rate.
    warmup (float): share of the steps over which it rises.
    """
    warmup_steps = warmup * total
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return peak * (total - step) / (total - warmup_steps)
