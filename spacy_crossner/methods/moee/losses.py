"""The loss terms of MoEE, beside the likelihood of the tags."""

from torch import Tensor

from ...core.losses import LossInputs, LossTerm
from ...errors import CrossnerError, Errors
from .head import MixtureTagger


class EntityDetection(LossTerm):
    """Negative log-likelihood of task 1 of MoEE, entity or no entity (Liu et al., 2020, Eq. 4)."""

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean over the annotated tokens; 0 if the head has no task 1."""
        return _mixture(self, inputs).detection_nll(inputs.output, inputs.tags)


class ExpertGate(LossTerm):
    """Cross-entropy of the gate over the experts with the gold types (Liu et al., 2020, Eq. 6)."""

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean over the annotated tokens; 0 if the head has no experts."""
        return _mixture(self, inputs).gate_nll(inputs.output, inputs.tags)


def _mixture(term: LossTerm, inputs: LossInputs) -> MixtureTagger:
    if not isinstance(inputs.head, MixtureTagger):
        raise CrossnerError(
            Errors.C029.format(term=type(term).__name__, needed="moee_ner", head=type(inputs.head).__name__)
        )
    return inputs.head
