"""The likelihood of the gold tags: the loss term that every head trains on."""

from typing import Optional

import torch
from torch import Tensor

from .losses import LossInputs, LossTerm


class TagLikelihood(LossTerm):
    """Negative log-likelihood of the gold tags under the head, the mean over the annotated tokens.

    weight (float): factor in the sum of the terms.
    domain (Optional[str]): docs of this domain only, so that each domain can have its own weight; None for all.
    """

    def __init__(self, weight: float = 1.0, domain: Optional[str] = None) -> None:
        super().__init__(weight)
        self.domain = domain

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean over the annotated tokens; 0 if there are none."""
        tags = inputs.tags
        if self.domain is not None:
            tags = torch.where(inputs.rows_of(self.domain).unsqueeze(1), tags, -1)
        return inputs.head.nll(inputs.output, tags)
