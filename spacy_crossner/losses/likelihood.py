"""The likelihood of the gold tags: the term that every head trains on."""

from torch import Tensor

from .base import LossInputs, LossTerm


class TagLikelihood(LossTerm):
    """Negative log-likelihood of the gold tags under the head, the mean over the annotated tokens."""

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean over the annotated tokens; 0 where nothing is annotated."""
        return inputs.head.nll(inputs.output, inputs.tags)
