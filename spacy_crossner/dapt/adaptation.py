"""The state of domain-adaptive pre-training: training steps and evaluations, on one or many processes."""

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

    Step s trains on blocks s * batch_size to (s + 1) * batch_size - 1 in the order of the run, divided among the
    processes. The loss is the mean over all masked tokens of the step, so that it does not depend on the number of
    processes or on `accumulate`.

    accelerator (Accelerator): devices and processes.
    model (MaskedLanguageModel): the encoder with its output layer.
    blocks (Blocks): the training text.
    order (BlockOrder): the order of the blocks.
    collator (MaskCollator): masks the blocks.
    held_out (MaskedBlocks): the held-out text, with the same masks in every evaluation.
    settings (DaptSettings): the settings of training.
    head_steps (int): number of first steps that only train the output layer.
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
        # The sum of losses since the last row of the log.
        self.loss = torch.zeros((), device=accelerator.device)
        self.steps_in_loss = 0
        # The first step with a loss that is not finite. It stays on the device: reading it would wait for the device.
        self.first_bad = torch.full((), -1, device=accelerator.device)
        self.wrapped: nn.Module = self.model
        self.optimizer: Any = None

    @property
    def is_head_phase(self) -> bool:
        """Whether the next step only trains the output layer."""
        return self.step < self.head_steps

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        settings = self.settings
        if self.is_head_phase:
            return linear_rate(self.step, self.head_steps, settings.head_rate, settings.warmup)
        return linear_rate(self.step - self.head_steps, settings.max_steps, settings.rate, settings.warmup)

    def start_phase(self) -> None:
        """Unfreeze the weights that the next step trains, and make a new optimizer."""
        self.model.train_parts(encoder=not self.is_head_phase, embeddings=self.train_embeddings)
        self.model.train()
        self.optimizer = make_optimizer(self.model, self.settings.weight_decay)
        if self.accelerator.num_processes > 1:
            # The set of trained weights is fixed when the model is wrapped for several processes.
            self.accelerator.free_memory()
            self.wrapped = self.accelerator.prepare_model(self.model)

    def batches(self) -> Iterator[List[MaskedBlocks]]:
        """Yield the batch of this process for each remaining step. The next batch is prepared in a thread."""
        with ThreadPoolExecutor(1) as pool:
            upcoming = pool.submit(self.batch, self.step)
            for step in range(self.step, self.total_steps):
                batch = upcoming.result()
                if step + 1 < self.total_steps:
                    upcoming = pool.submit(self.batch, step + 1)
                yield batch

    def batch(self, step: int) -> List[MaskedBlocks]:
        """Return the blocks of this process for a step, as `accumulate` micro-batches."""
        size, parts = self.settings.batch_size, self.settings.accumulate
        bounds = np.linspace(0, size, self.accelerator.num_processes * parts + 1).astype(int)
        first = self.accelerator.process_index * parts
        microbatches = []
        for start, stop in zip(bounds[first : first + parts], bounds[first + 1 : first + parts + 1], strict=True):
            position = step * size + int(start)
            ids, starts = self.blocks.take(self.order.take(position, int(stop - start)))
            microbatches.append(self.collator(ids, starts, position))
        return microbatches

    def take_step(self, batch: List[MaskedBlocks]) -> None:
        """Update the model with a batch."""
        if self.optimizer is None or (self.head_steps and self.step == self.head_steps):
            self.start_phase()
        # Each step sets its own random seed, so no random state has to be saved.
        key = (self.settings.seed, self.step, self.accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate
        self.optimizer.zero_grad()
        processes = self.accelerator.num_processes
        n_masked = torch.tensor(sum(len(microbatch.targets) for microbatch in batch), device=self.accelerator.device)
        if processes > 1:
            n_masked = self.accelerator.reduce(n_masked)
        # Gradients are averaged over processes.
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
        """Return the mean loss of the steps since the last call. Every process has to call this method.

        RAISES (Diverged): the loss is not finite.
        """
        loss = self.accelerator.reduce(self.loss, "mean").item() / max(1, self.steps_in_loss)
        self.loss.zero_()
        self.steps_in_loss = 0
        if not math.isfinite(loss):
            steps = [step for step in self.accelerator.gather(self.first_bad.reshape(1)).tolist() if step > 0]
            raise Diverged(min(steps, default=self.step), "the loss of the masked language model", str(loss))
        return loss

    def check_weights(self) -> None:
        """Check that all weights and optimizer moments are finite. They are the same in each process.

        RAISES (Diverged): a weight or a moment of the optimizer is not finite.
        """
        for name, weight in self.model.named_parameters():
            for tensor in (weight, *self.optimizer.state.get(weight, {}).values()):
                if not torch.isfinite(tensor).all():
                    raise Diverged(self.step, f"the weight '{name}'", "not finite")

    @torch.no_grad()
    def evaluate(self) -> float:
        """Return the mean loss on held-out text. Every process has to call this method.

        RAISES (Diverged): the loss is not finite.
        """
        n_blocks = len(self.held_out.ids)
        processes, index = self.accelerator.num_processes, self.accelerator.process_index
        start, stop = n_blocks * index // processes, n_blocks * (index + 1) // processes
        chunk = max(1, self.settings.batch_size // (processes * self.settings.accumulate))
        total = torch.zeros((), device=self.accelerator.device)
        self.model.eval()
        for first in range(start, stop, chunk):
            blocks = self.held_out.rows(first, min(first + chunk, stop))
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
        """Return the state that the next step depends on. Every process has to call this method.

        RAISES (Diverged): a weight or a moment of the optimizer is not finite.
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
        """Restore a saved state, or start at step 0. Every process has to call this method.

        saved (Optional[SavedState]): the saved state, on the main process only. It is sent to the other processes.
        """
        numbers = saved.numbers if saved else {"loss": 0.0, "steps_in_loss": 0}
        position = torch.tensor([saved.step if saved else 0, numbers["steps_in_loss"]], device=self.accelerator.device)
        self.step, self.steps_in_loss = broadcast(position).tolist()
        self.loss = broadcast(self.loss.fill_(numbers["loss"]))
        if saved:
            with torch.no_grad():
                for name, weight in self.model.named_parameters():
                    weight.copy_(saved.weights[name])
        # Wrapping the model sends the weights to the other processes.
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
    """Make an AdamW optimizer for the trained weights. Biases and norms have no weight decay."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.dim() > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if parameter.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
