"""Settings of domain-adaptive pre-training."""

from dataclasses import dataclass, replace
from typing import Optional

import torch

from ..errors import CrossnerError

PRECISIONS = ("auto", "bf16", "fp32")

C425 = "[C425] Training with {setting} = {value}: expected {expected}."


@dataclass(frozen=True)
class DaptSettings:
    """The training settings.

    max_steps (int): number of steps that train all weights.
    epochs (float): passes over the text, instead of `max_steps`; 0 to use `max_steps`.
    head_steps (int): number of extra first steps that only train a new output layer. Skipped if the encoder has one.
    train_embeddings (Optional[bool]): train the word embeddings. None: only if the encoder has an output layer. With a
        new output layer all embeddings would change a lot, also those of words that are not in the text.
    block_size (int): tokens per block, special tokens included.
    batch_size (int): blocks per step, over all processes.
    accumulate (int): gradient accumulation: number of micro-batches per step and process, to save memory.
    rate (float): peak learning rate. The rate rises linearly from 0 and then falls linearly to 0.
    head_rate (float): peak learning rate during `head_steps`.
    warmup (float): fraction of the steps with a rising rate.
    weight_decay (float): decoupled weight decay of matrices. Biases and norms have no weight decay.
    grad_clip (float): maximum gradient norm; 0 for no clipping.
    held_out (float): fraction of the lines held out for evaluation. Duplicates of a held-out line are held out too.
    eval_every (int): steps between evaluations on held-out text. There is also one before and one after training.
    save_every (int): steps between checkpoints.
    log_every (int): steps between rows of the log.
    precision (str): "bf16", "fp32", or "auto": bf16 if the hardware has bf16 matrix products.
    weight_interpolation (float): weight w of the original weights: saved = w * original + (1 - w) * adapted. The
        encoder then forgets less general language (WiSE-FT, Wortsman et al., 2022).
    seed (int): random seed of block order, masking and dropout.
    RAISES (CrossnerError): a setting is out of range.
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
        self._expect("weight_interpolation", 0 <= self.weight_interpolation < 1, "0 or more and below 1")
        self._expect("held_out", 0 < self.held_out < 1, "above 0 and below 1")
        self._expect("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS))

    def for_blocks(self, n_blocks: int) -> "DaptSettings":
        """Return the settings with `epochs` converted to `max_steps`, for a text with this number of blocks."""
        if not self.epochs:
            return self
        return replace(self, max_steps=max(1, round(self.epochs * n_blocks / self.batch_size)), epochs=0.0)

    def _expect(self, setting: str, is_met: bool, expected: str) -> None:
        if not is_met:
            raise CrossnerError(C425.format(setting=setting, value=getattr(self, setting), expected=expected))

    def dtype(self, device: torch.device) -> torch.dtype:
        """Return the type of matrix products on a device."""
        is_bf16 = self.precision == "bf16" or (self.precision == "auto" and has_bf16(device))
        return torch.bfloat16 if is_bf16 else torch.float32


def has_bf16(device: torch.device) -> bool:
    """Return whether a device has native bf16 matrix products."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        # PyTorch has no public names for these functions. On other processors they return False.
        names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(getattr(torch.cpu, name, bool)() for name in names)
    return False


def linear_rate(step: int, total: int, peak: float, warmup: float) -> float:
    """Return the learning rate of a step: a linear rise over the warm-up, then a linear fall to 0.

    step (int): the step, from 0.
    total (int): number of steps.
    peak (float): the peak rate.
    warmup (float): fraction of the steps with a rising rate.
    """
    warmup_steps = warmup * total
    if step < warmup_steps:
        return peak * (step + 1) / (warmup_steps + 1)
    return peak * (total - step) / (total - warmup_steps)
