"""What every loss term sees, and what it is."""

from dataclasses import dataclass
from typing import List, Optional

from torch import Tensor

from ..models.torch.head import HeadOutput, SequenceHead


@dataclass
class LossInputs:
    """All that a loss term may look at. Rows are the docs of the batch that have tokens.

    head (SequenceHead): the torch module, for its own parameters and for a second pass.
    output (HeadOutput): its output, with the graph alive.
    tags (Tensor): gold tag indices, shape (n_docs, n_tokens), -1 where there is no annotation or no token.
    domains (List[Optional[str]]): the domain of each row.
    partners (Tensor): for each row that of its distorted twin, or of what it is the twin of; -1 for none, shape
        (n_docs,).
    """

    head: SequenceHead
    output: HeadOutput
    tags: Tensor
    domains: List[Optional[str]]
    partners: Tensor


class LossTerm:
    """A term of the loss: called once an update, weighted, logged under its name in the config.

    weight (float): factor in the sum of the terms; a callback may change it during training.
    """

    # Whether `HeadOutput.sentences` is to be there.
    needs_sentences = False

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar that is connected to the graph of the head's output."""
        raise NotImplementedError

    def finish_update(self) -> None:
        """Update what the term learns by itself, after the component's weights."""

    def state_to_bytes(self) -> bytes:
        """Return what the term has learned; it goes into checkpoints, and into no saved pipeline."""
        return b""

    def state_from_bytes(self, data: bytes) -> None:
        """Put back what `state_to_bytes` gave."""
