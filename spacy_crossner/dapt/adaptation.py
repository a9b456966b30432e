"""The state of domain-adaptive pre-training: one step, one evaluation, on one process or on many."""

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any, Dict, Iterator, List, Optional

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from ..training.divergence import Diverged
from .blocks import BlockOrder, Blocks
from .checkpoint import SavedState
from .masking import MaskCollator, MaskedBlocks
from .mlm_head import MaskedLanguageModel
from .settings import DaptSettings, linear_rate


class Adaptation:
    """An encoder in training.

    Step s sees the blocks at places s * batch_size and on of the run's order; each process takes its part of them. The
    loss is the mean over all masked tokens of the step, so that neither the number of processes nor `accumulate`
    changes it.

    accelerator (Accelerator): where it runs.
    model (MaskedLanguageModel): the encoder with its output layer.
    blocks (Blocks): the text.
    order (BlockOrder): the order of the blocks.
    collator (MaskCollator): puts masks in.
    held_out (MaskedBlocks): held-out text, masked once for all.
    settings (DaptSettings): settings.
    head_steps (int): steps, before all others, in which the output layer alone is trained.
    train_embeddings (bool): whether word embeddings are trained.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: MaskedLanguageModel,
        *,
        blocks: Blocks,
        order: BlockOrder,
        collator: MaskCollator,
        held_out: MaskedBlocks,
        settings: DaptSettings,
        head_steps: int,
        train_embeddings: bool,
    ) -> None:
        self.accelerator = accelerator
        self.model = model.to(accelerator.device)
        self.blocks = blocks
        self.order = order
        self.collator = collator
        self.held_out = held_out
        self.settings = settings
        self.head_steps = head_steps
        self.train_embeddings = train_embeddings
        self.total_steps = head_steps + settings.max_steps
        self.step = 0
        # Of the steps since the last row of the log.
        self.loss = torch.zeros((), device=accelerator.device)
        self.steps_in_loss = 0
        # After which step the loss was first no finite number: kept on the device, as looking would wait for it.
        self.first_bad = torch.full((), -1, device=accelerator.device)
        self.wrapped: nn.Module = self.model
        self.optimizer: Any = None

    @property
    def is_head_phase(self) -> bool:
        """Whether the next step trains the output layer alone."""
        return self.step < self.head_steps

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        settings = self.settings
        if self.is_head_phase:
            return linear_rate(self.step, self.head_steps, settings.head_rate, settings.warmup)
        return linear_rate(self.step - self.head_steps, settings.max_steps, settings.rate, settings.warmup)

    def start_phase(self) -> None:
        """Begin to train what the next step trains, with a new optimizer."""
        self.model.train_parts(encoder=not self.is_head_phase, embeddings=self.train_embeddings)
        self.model.train()
        self.optimizer = make_optimizer(self.model, self.settings.weight_decay)
        if self.accelerator.num_processes > 1:
            # What is trained is settled when the processes are joined.
            self.accelerator.free_memory()
            self.wrapped = self.accelerator.prepare_model(self.model)

    def batches(self) -> Iterator[List[MaskedBlocks]]:
        """Yield what this process works through in each step that is left; the next one is made meanwhile."""
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self.batch, self.step)
            for step in range(self.step, self.total_steps):
                batch = upcoming.result()
                if step + 1 < self.total_steps:
                    upcoming = pool.submit(self.batch, step + 1)
                yield batch

    def batch(self, step: int) -> List[MaskedBlocks]:
        """Return this process's share of a step, in as many parts as `accumulate` says."""
        size, parts = self.settings.batch_size, self.settings.accumulate
        bounds = np.linspace(0, size, self.accelerator.num_processes * parts + 1).astype(int)
        first = self.accelerator.process_index * parts
        microbatches = []
        for start, stop in zip(bounds[first : first + parts], bounds[first + 1 : first + parts + 1], strict=True):
            place = step * size + int(start)
            ids, starts = self.blocks.take(self.order.take(place, int(stop - start)))
            microbatches.append(self.collator(ids, starts, place))
        return microbatches

    def take_step(self, batch: List[MaskedBlocks]) -> None:
        """Learn from a batch."""
        if self.optimizer is None or (self.head_steps and self.step == self.head_steps):
            self.start_phase()
        # Nothing random has to be saved: each step begins anew.
        key = (self.settings.seed, self.step, self.accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.optimizer.zero_grad()
        processes = self.accelerator.num_processes
        n_masked = torch.tensor(sum(len(microbatch.targets) for microbatch in batch), device=self.accelerator.device)
        if processes > 1:
            n_masked = self.accelerator.reduce(n_masked)
        # Over processes gradients are averaged.
        factor = processes / n_masked.clamp(min=1)
        for number, microbatch in enumerate(batch, 1):
            is_last = number == len(batch)
            with nullcontext() if is_last else self.accelerator.no_sync(self.wrapped):
                loss = factor * self._loss(self.wrapped, microbatch)
                loss.backward()
            self.loss += loss.detach()
        if self.settings.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.grad_clip)
        self.optimizer.step()
        self.step += 1
        self.steps_in_loss += 1
        is_bad = ~torch.isfinite(self.loss) & (self.first_bad < 0)
        self.first_bad = torch.where(is_bad, self.step, self.first_bad)

    def mean_loss(self) -> float:
        """Return the mean loss of the steps since the last call; each process has to call it.

        RAISES (Diverged): it is no finite number.
        """
        loss = self.accelerator.reduce(self.loss, "mean").item() / max(1, self.steps_in_loss)
        self.loss.zero_()
        self.steps_in_loss = 0
        if not math.isfinite(loss):
            steps = [step for step in self.accelerator.gather(self.first_bad.reshape(1)).tolist() if step > 0]
            raise Diverged(min(steps, default=self.step), "the loss of the masked language model", str(loss))
        return loss

    def check_weights(self) -> None:
        """Raise if the weights, the same in each process, cannot be gone on from.

        RAISES (Diverged): a weight or a moment of the optimizer is no finite number.
        """
        for name, weight in self.model.named_parameters():
            for tensor in (weight, *self.optimizer.state.get(weight, {}).values()):
                if not torch.isfinite(tensor).all():
                    raise Diverged(self.step, f"the weight '{name}'", "no finite number")

    @torch.no_grad()
    def evaluate(self) -> float:
        """Return the mean loss on held-out text; each process has to call it.

        RAISES (Diverged): it is no finite number.
        """
        n_blocks = len(self.held_out.ids)
        processes, index = self.accelerator.num_processes, self.accelerator.process_index
        start, stop = n_blocks * index // processes, n_blocks * (index + 1) // processes
        at_once = max(1, self.settings.batch_size // (processes * self.settings.accumulate))
        total = torch.zeros((), device=self.accelerator.device)
        self.model.eval()
        for first in range(start, stop, at_once):
            blocks = self.held_out.rows(first, min(first + at_once, stop))
            if len(blocks.targets):
                total += self._loss(self.model, blocks)
        self.model.train()
        loss = self.accelerator.reduce(total).item() / max(1, len(self.held_out.targets))
        if not math.isfinite(loss):
            raise Diverged(self.step, "the loss on held-out text", str(loss))
        return loss

    def _loss(self, model: nn.Module, blocks: MaskedBlocks) -> Tensor:
        arrays = (blocks.ids, blocks.positions, blocks.targets)
        return model(*(torch.from_numpy(array).to(self.accelerator.device, non_blocking=True) for array in arrays))

    def save(self) -> SavedState:
        """Return what the next step depends on; each process has to call it.

        RAISES (Diverged): there is nothing to go on from.
        """
        self.check_weights()
        weights: Dict[str, Tensor] = dict(self.model.named_parameters())
        moments = {
            f"{name}/{key}": tensor
            for name, weight in weights.items()
            for key, tensor in self.optimizer.state.get(weight, {}).items()
        }
        loss = self.accelerator.reduce(self.loss, "mean").item()
        numbers = {"loss": loss, "steps_in_loss": self.steps_in_loss}
        return SavedState(self.step, numbers, weights, moments)

    def restore(self, saved: Optional[SavedState]) -> None:
        """Go on from a saved state, or begin; each process has to call it.

        saved (Optional[SavedState]): the state if there is one, on the main process; the others get it from there.
        """
        numbers = saved.numbers if saved else {"loss": 0.0, "steps_in_loss": 0}
        place = torch.tensor([saved.step if saved else 0, numbers["steps_in_loss"]], device=self.accelerator.device)
        self.step, self.steps_in_loss = broadcast(place).tolist()
        self.loss = broadcast(self.loss.fill_(numbers["loss"]))
        if saved:
            with torch.no_grad():
                for name, weight in self.model.named_parameters():
                    weight.copy_(saved.weights[name])
        # The weights go to the other processes when these are joined.
        self.start_phase()
        if self.step in (0, self.head_steps):
            return
        for name, weight in self.model.named_parameters():
            if not weight.requires_grad:
                continue
            state = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
            for key, tensor in state.items():
                if saved:
                    tensor.copy_(saved.moments[f"{name}/{key}"])
                state[key] = broadcast(tensor.to(weight.device))
            self.optimizer.state[weight] = state


def make_optimizer(model: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """Make AdamW for the weights that are trained; biases and norms do not decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
