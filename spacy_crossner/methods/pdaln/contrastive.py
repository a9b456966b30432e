"""Contrastive learning on sentence vectors (Zhang et al., 2021, Eq. 7)."""

import torch
from torch import Tensor, nn

from ...core.losses import LossInputs
from ...errors import CrossnerError, Errors
from .learning import LearningTerm


def contrastive_loss(vectors: Tensor, partners: Tensor, *, temperature: float, normalize: bool) -> Tensor:
    """Return the mean loss over the vectors with a partner: -log of the partner's softmax among all other vectors.

    vectors (Tensor): mapped sentence vectors z, shape (n, width).
    partners (Tensor): the row of each vector's partner (a sentence and its distorted copy), -1 for none; shape (n,).
    temperature (float): divides the products.
    normalize (bool): cosines in place of the products that the paper prints.
    RETURNS (Tensor): a scalar; 0 if no vector has a partner.
    """
    if normalize:
        vectors = nn.functional.normalize(vectors, dim=1)
    has_partner = partners >= 0
    if not has_partner.any():
        return 0.0 * vectors.sum()
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    log_probabilities = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf).log_softmax(dim=1)
    return -log_probabilities[has_partner, partners[has_partner]].mean()


class Contrastive(LearningTerm):
    """Pulls a sentence towards its distorted twin and away from all other sentences of the batch.

    The map W is not part of the pipeline.

    temperature (float): tau of the equation.
    normalize (bool): cosines in place of products.
    width (int): width of the mapped vectors.
    rate (float): learning rate of the map.
    weight (float): factor in the sum of the terms.
    """

    def __init__(
        self,
        temperature: float = 0.05,
        normalize: bool = True,
        width: int = 128,
        rate: float = 1e-3,
        weight: float = 1.0,
    ) -> None:
        super().__init__(rate, weight=weight)
        if temperature <= 0 or width < 1 or rate <= 0:
            raise CrossnerError(Errors.C038.format(temperature=temperature, width=width, rate=rate))
        self.temperature = temperature
        self.normalize = normalize
        self.width = width

    def build(self, width: int) -> nn.Module:
        """Return the map."""
        return nn.Linear(width, self.width, bias=False)

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 if no sentence has a twin in the batch."""
        sentences = inputs.output.sentences
        mapped = self.module_on(sentences)(sentences)
        return contrastive_loss(mapped, inputs.partners, temperature=self.temperature, normalize=self.normalize)
