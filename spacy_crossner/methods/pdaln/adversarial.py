"""Domain-adversarial training on sentence vectors (Ganin et al., 2016)."""

from typing import Any

import torch
from torch import Tensor, nn

from ...core.losses import LossInputs
from ...errors import CrossnerError, Errors
from .learning import LearningTerm
from .mmd import TwoDomainTerm


class ReversedGradient(torch.autograd.Function):
    """The identity, with a gradient of the opposite sign."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        """Return the vectors."""
        return vectors.view_as(vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient, reversed."""
        return -gradients[0]


class DomainAdversarial(LearningTerm, TwoDomainTerm):
    """Cross-entropy of a classifier of sentences, target domain or not. The encoder is trained to increase it.

    The classifier is not part of the pipeline.

    target (str): the target domain: the domain mark of its docs.
    width (int): width of the classifier's hidden layer.
    rate (float): learning rate of the classifier.
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
        """Return a scalar; 0 if all docs of the batch are of one side."""
        is_target = self.sides(inputs)
        sentences = inputs.output.sentences
        if is_target.all() or not is_target.any():
            return 0.0 * sentences.sum()
        # Both sides have the same total weight, whatever their numbers of sentences.
        weights = torch.where(is_target, 0.5 / is_target.sum(), 0.5 / (~is_target).sum()).to(sentences)
        logits = self.module_on(sentences)(ReversedGradient.apply(sentences)).squeeze(1)
        losses = nn.functional.binary_cross_entropy_with_logits(logits, is_target.to(logits), reduction="none")
        return (weights * losses).sum()
