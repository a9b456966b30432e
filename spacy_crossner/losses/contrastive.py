"""Contrastive learning on sentence vectors (Zhang et al., 2021, Eq. 7)."""

from typing import Optional

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ..errors import CrossnerError, Errors
from .base import LossInputs, LossTerm


def contrastive_loss(vectors: Tensor, partners: Tensor, *, temperature: float, normalize: bool) -> Tensor:
    """Return the mean loss over the vectors that have a partner: -log of the softmax of the partner among all others.

    vectors (Tensor): mapped sentence vectors z, shape (n, width).
    partners (Tensor): for each the row of its distortion, or of what it is the distortion of, -1 for none; shape (n,).
    temperature (float): the products are divided by it.
    normalize (bool): cosines in place of the products that the paper prints.
    RETURNS (Tensor): a scalar; 0 where none has a partner.
    """
    if normalize:
        vectors = nn.functional.normalize(vectors, dim=1)
    has_partner = partners >= 0
    if not has_partner.any():
        return 0.0 * vectors.sum()
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    chances = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -chances[has_partner, partners[has_partner]].mean()


class Contrastive(LossTerm):
    """Draws a sentence to its distorted twin and away from all others of the batch.

    The map W is no part of the pipeline: it learns with an Adam of its own and is saved with checkpoints only.

    temperature (float): tau of the equation.
    normalize (bool): cosines in place of products.
    width (int): width of the mapped vectors.
    rate (float): learning rate of the map.
    weight (float): factor in the sum of the terms.
    """

    needs_sentences = True

    def __init__(
        self,
        temperature: float = 0.05,
        normalize: bool = True,
        width: int = 128,
        rate: float = 1e-3,
        weight: float = 1.0,
    ) -> None:
        super().__init__(weight)
        if temperature <= 0 or width < 1 or rate <= 0:
            raise CrossnerError(Errors.C038.format(temperature=temperature, width=width, rate=rate))
        self.temperature = temperature
        self.normalize = normalize
        self.width = width
        self.rate = rate
        self.map: Optional[nn.Linear] = None
        self.optimizer: Optional[torch.optim.Optimizer] = None

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 where no sentence has a twin in the batch."""
        sentences = inputs.output.sentences
        if self.map is None:
            self._make_map(sentences.shape[1])
        assert self.map is not None
        mapped = self.map.to(sentences)(sentences)
        return contrastive_loss(mapped, inputs.partners, temperature=self.temperature, normalize=self.normalize)

    def _make_map(self, width: int) -> None:
        self.map = nn.Linear(width, self.width, bias=False)
        self.optimizer = torch.optim.Adam(self.map.parameters(), lr=self.rate)

    def finish_update(self) -> None:
        """Update the map."""
        if self.optimizer is not None:
            self.optimizer.step()
            self.optimizer.zero_grad()

    def state_to_bytes(self) -> bytes:
        """Return the map and the moments of its optimizer."""
        if self.map is None or self.optimizer is None:
            return b""
        moments = self.optimizer.state.get(self.map.weight, {})
        return save({"map": self.map.weight.detach().cpu(), **{name: value.cpu() for name, value in moments.items()}})

    def state_from_bytes(self, data: bytes) -> None:
        """Put back what `state_to_bytes` gave."""
        if not data:
            return
        tensors = load(data)
        weight = tensors.pop("map")
        self._make_map(weight.shape[1])
        assert self.map is not None
        assert self.optimizer is not None
        with torch.no_grad():
            self.map.weight.copy_(weight)
        if tensors:
            self.optimizer.state[self.map.weight] = tensors
