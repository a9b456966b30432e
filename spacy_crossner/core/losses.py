"""What every loss term sees, and what it is."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Protocol

import torch
from torch import Tensor

from ..errors import CrossnerError, Errors
from .head import HeadOutput, SequenceHead


@dataclass
class LossInputs:
    """All that a loss term may look at. Rows are the docs of the batch that have tokens.

    head (SequenceHead): the torch module, for its own parameters and for a second pass.
    output (HeadOutput): its output, with the graph alive.
    tags (Tensor): gold tag indices, shape (n_docs, n_tokens), -1 where there is no annotation or no token.
    domains (List[Optional[str]]): the domain of each row.
    partners (Tensor): for each row that of its distorted twin, or of what it is the twin of; -1 for none, shape
        (n_docs,).
    teacher (Tensor): the teacher's log-probability of each tag in the rows that a term asks for, 0 in others, shape
        (n_docs, n_tokens, n_tags); what stands at padding has no meaning.
    """

    head: SequenceHead
    output: HeadOutput
    tags: Tensor
    domains: List[Optional[str]]
    partners: Tensor
    teacher: Tensor = field(default_factory=lambda: torch.empty(0))

    def rows_of(self, domain: Optional[str]) -> Tensor:
        """Return which rows are of a domain, all for None, bool, shape (n_docs,)."""
        found = [domain is None or own == domain for own in self.domains]
        return torch.tensor(found, device=self.tags.device)


class Teacher(Protocol):
    """What a term may learn from beside gold tags: it tags docs and follows the component; see `methods.pdaln`."""

    def log_probabilities(self, docs: List[Any], tags: Tensor, rows: Tensor) -> Tensor:
        """Return the log-probability of each tag, shape (n_docs, n_tokens, n_tags); 0 where `rows` is False."""

    def finish_update(self) -> None:
        """Follow the component, whose weights have been updated."""

    def to_bytes(self) -> bytes:
        """Return its state, for a checkpoint."""

    def from_bytes(self, data: bytes) -> None:
        """Put back what `to_bytes` gave."""


class LossTerm:
    """A term of the loss: called once an update, weighted, logged under its name in the config.

    weight (float): factor in the sum of the terms; a callback may change it during training.
    """

    # Whether `HeadOutput.sentences` is to be there.
    needs_sentences = False
    # Whether `LossInputs.teacher` is to be there.
    needs_teacher = False
    # Whether the weight is the term's share of the whole: all others together get the rest.
    is_share = False

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar that is connected to the graph of the head's output."""
        raise NotImplementedError

    def teacher_rows(self, inputs: LossInputs) -> Tensor:
        """Return which rows the teacher is asked about, bool, shape (n_docs,)."""
        return inputs.rows_of(None)

    def finish_update(self) -> None:
        """Update what the term learns by itself, after the component's weights."""

    def state_to_bytes(self) -> bytes:
        """Return what the term has learned; it goes into checkpoints, and into no saved pipeline."""
        return b""

    def state_from_bytes(self, data: bytes) -> None:
        """Put back what `state_to_bytes` gave."""


def weighted_sum(terms: Dict[str, LossTerm], values: Dict[str, Tensor]) -> Tensor:
    """Return the loss: the sum of the terms by their weights, less the share of the one that takes a share.

    A term that takes a share and is alone is the whole loss, times its weight: others get the rest, and there are none.

    RAISES (CrossnerError): more than one takes a share.
    """
    shares = [name for name, term in terms.items() if term.is_share]
    if len(shares) > 1:
        raise CrossnerError(Errors.C047.format(terms=", ".join(shares)))
    others = [term.weight * values[name] for name, term in terms.items() if not term.is_share]
    parts = [torch.stack(others).sum()] if others else []
    for name in shares:
        parts = [*((1 - terms[name].weight) * part for part in parts), terms[name].weight * values[name]]
    return torch.stack(parts).sum()
