"""Loss terms with their own weights, which are not part of the pipeline."""

from typing import Any, Dict, Optional

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ...core.losses import LossTerm

WIDTH = "width"
WEIGHTS, MOMENTS = "weights/", "moments/"


class LearningTerm(LossTerm):
    """A term with a module on sentence vectors, trained by its own Adam and saved in checkpoints only.

    rate (float): the learning rate of the module.
    **settings (Any): settings of the next base class.
    """

    needs_sentences = True

    def __init__(self, rate: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.rate = rate
        self.module: Optional[nn.Module] = None
        self.optimizer: Optional[torch.optim.Optimizer] = None
        self._width = 0
        # The state of a checkpoint, loaded when the first vectors show the device.
        self._saved = b""

    def build(self, width: int) -> nn.Module:
        """Return the module, untrained.

        width (int): width of the sentence vectors.
        """
        raise NotImplementedError

    def module_on(self, vectors: Tensor) -> nn.Module:
        """Return the module; the first call makes it.

        vectors (Tensor): sentence vectors, shape (n_docs, width).
        """
        if self.module is None:
            self._width = vectors.shape[1]
            self.module = self.build(self._width).to(vectors.device)
            self.optimizer = torch.optim.Adam(self.module.parameters(), lr=self.rate)
            if self._saved:
                self._load(self.module, self.optimizer, load(self._saved))
        return self.module.to(vectors)

    def finish_update(self) -> None:
        """Update the module."""
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()

    def state_to_bytes(self) -> bytes:
        """Return the module and the moments of its optimizer."""
        if self.module is None or self.optimizer is None:
            return self._saved
        tensors: Dict[str, Tensor] = {WIDTH: torch.tensor(self._width)}
        for name, weights in self.module.named_parameters():
            tensors[f"{WEIGHTS}{name}"] = weights.detach().cpu().contiguous()
            for key, value in self.optimizer.state.get(weights, {}).items():
                tensors[f"{MOMENTS}{name}/{key}"] = value.cpu()
        return save(tensors)

    def state_from_bytes(self, data: bytes) -> None:
        """Restore the state that `state_to_bytes` returned."""
        if data:
            self.module, self.optimizer, self._saved = None, None, data

    @staticmethod
    @torch.no_grad()
    def _load(module: nn.Module, optimizer: torch.optim.Optimizer, tensors: Dict[str, Tensor]) -> None:
        """Load saved weights and moments into a new module and its optimizer."""
        for name, weights in module.named_parameters():
            weights.copy_(tensors[f"{WEIGHTS}{name}"])
            prefix = f"{MOMENTS}{name}/"
            moments = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
            # Adam keeps its number of steps, a scalar, on the CPU.
            moments = {key: value.to(weights.device) if value.dim() else value for key, value in moments.items()}
            if moments:
                optimizer.state[weights] = moments
