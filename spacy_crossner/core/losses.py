"""The interface of loss terms: inputs, base class and weighted sum."""

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Protocol

import torch
from torch import Tensor

from ..errors import CrossnerError, Errors
from .head import HeadOutput, SequenceHead


@dataclass
class LossInputs:
    """The inputs of a loss term. Each row is a doc of the batch, or a window of a long one; see `plan_windows`.

    head (SequenceHead): the torch module. Terms may use its parameters, or run it again.
    output (HeadOutput): the output of the head, with its graph.
    tags (Tensor): gold tag indices, shape (n_docs, n_tokens), -1 at padding and where annotation is missing.
    domains (List[Optional[str]]): the domain of each row.
    partners (Tensor): index of each row's partner (a sentence and its distorted twin), -1 for none, shape (n_docs,).
    teacher (Tensor): the teacher's log-probability of each tag, shape (n_docs, n_tokens, n_tags); 0 in rows that no
        term needs. Values at padding have no meaning.
    """

    head: SequenceHead
    output: HeadOutput
    tags: Tensor
    domains: List[Optional[str]]
    partners: Tensor
    teacher: Tensor = field(default_factory=lambda: torch.empty(0))

    def rows_of(self, domain: Optional[str]) -> Tensor:
        """Return which rows belong to a domain, bool, shape (n_docs,); all rows for None."""
        is_of_domain = [domain is None or own_domain == domain for own_domain in self.domains]
        return torch.tensor(is_of_domain, device=self.tags.device)


class Teacher(Protocol):
    """A model whose predictions loss terms may use as soft targets. It follows the component; see `methods.pdaln`."""

    def log_probabilities(self, rows: Any, tags: Tensor, selected: Tensor) -> Tensor:
        """Return the log-probability of each tag, shape (n_rows, n_tokens, n_tags); 0 where `selected` is False."""

    def finish_update(self) -> None:
        """Update the teacher's weights, after an update of the component's weights."""

    def to_bytes(self) -> bytes:
        """Return the teacher's state, for a checkpoint."""

    def from_bytes(self, data: bytes) -> None:
        """Restore the state that `to_bytes` returned."""


class LossTerm:
    """A term of the loss. It is called once in each update, weighted, and logged under its name in the config.

    weight (float): factor in the sum of the terms; a callback may change it during training.
    """

    # Whether the term needs `HeadOutput.sentences`.
    needs_sentences = False
    # Whether the term needs `LossInputs.teacher`.
    needs_teacher = False
    # Whether the term's weight w is a mixture weight: loss = w * this term + (1 - w) * the sum of all other terms.
    is_mixture_weight = False

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the value of the term: a scalar in the graph of the head's output."""
        raise NotImplementedError

    def teacher_rows(self, inputs: LossInputs) -> Tensor:
        """Return the rows for which the term needs the teacher, bool, shape (n_docs,)."""
        return inputs.rows_of(None)

    def finish_update(self) -> None:
        """Update the term's own weights, after an update of the component's weights."""

    def state_to_bytes(self) -> bytes:
        """Return the term's own weights. Checkpoints hold them, saved pipelines do not."""
        return b""

    def state_from_bytes(self, data: bytes) -> None:
        """Restore the state that `state_to_bytes` returned."""


def weighted_sum(terms: Dict[str, LossTerm], values: Dict[str, Tensor]) -> Tensor:
    """Return the loss: the weighted sum of the terms. A term with a mixture weight is mixed with all other terms.

    terms (Dict[str, LossTerm]): the terms by name.
    values (Dict[str, Tensor]): the value of each term, a scalar.
    RETURNS (Tensor): sum(w_i * v_i). If a term with value v has the mixture weight w: w * v + (1 - w) * the sum over
        all other terms.
    RAISES (CrossnerError): more than one term has a mixture weight.
    """
    mixed = [name for name, term in terms.items() if term.is_mixture_weight]
    if len(mixed) > 1:
        raise CrossnerError(Errors.C047.format(terms=", ".join(mixed)))
    others = [term.weight * values[name] for name, term in terms.items() if not term.is_mixture_weight]
    if not mixed:
        return torch.stack(others).sum()
    weight = terms[mixed[0]].weight
    loss = weight * values[mixed[0]]
    return (1 - weight) * torch.stack(others).sum() + loss if others else loss
