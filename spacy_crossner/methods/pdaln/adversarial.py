"""Domain-adversarial training on sentence vectors (Ganin et al., 2016)."""

from typing import Any

import torch
from torch import Tensor, nn

from ...core.losses import LossInputs
from ...errors import CrossnerError, Errors
from .learning import LearningTerm
from .mmd import TwoDomainTerm


class ReversedGradient(torch.autograd.Function):
    """The identity, whose gradient goes back with the other sign."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """Return the vectors."""
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient, reversed."""
        return -gradients[0]


class DomainAdversarial(LearningTerm, TwoDomainTerm):
    """Cross-entropy of telling the target's sentences from all others, which the encoder learns to make hard.

    What tells them is no part of the pipeline.

    target (str): the domain, as its docs are marked.
    width (int): width of its hidden layer.
    rate (float): its learning rate.
    weight (float): factor in the sum of the terms, and so of the reversed gradient.
    """

    def __init__(self, target: str, width: int = 64, rate: float = 1e-3, weight: float = 0.1) -> None:
        if width < 1 or rate <= 0:
            raise CrossnerError(Errors.C051.format(width=width, rate=rate))
        super().__init__(rate, target=target, weight=weight)
        self.width = width

    def build(self, width: int) -> nn.Module:
        """Return a perceptron with one hidden layer."""
        return nn.Sequential(nn.Linear(width, self.width), nn.ReLU(), nn.Linear(self.width, 1))

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 where the batch has one side only."""
        is_target = self.sides(inputs)
        sentences = inputs.output.sentences
        if is_target.all() or not is_target.any():
            return 0.0 * sentences.sum()
        # The same length for both, as one may have many times the sentences of the other.
        weights = torch.where(is_target, 0.5 / is_target.sum(), 0.5 / (~is_target).sum()).to(sentences)
        found = self.module_on(sentences)(ReversedGradient.apply(sentences)).squeeze(1)
        losses = nn.functional.binary_cross_entropy_with_logits(found, is_target.to(found), reduction="none")
        return (weights * losses).sum()
