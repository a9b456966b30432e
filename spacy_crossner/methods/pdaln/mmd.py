"""Maximum mean discrepancy between two domains, on sentences and on the tokens of each tag (Zhang et al., 2021).

"PDALN: Progressive Domain Adaptation over a Pre-trained Model for Low-Resource Cross-Domain Named Entity Recognition",
Eqs. 3 to 6.
"""

import warnings
from typing import List, Sequence

import torch
from torch import Tensor

from ...core.losses import LossInputs, LossTerm
from ...errors import CrossnerError, Errors, Warnings

# Squared bandwidths of the Gaussian kernels over the median squared distance.
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)


def squared_mmd(
    source: Tensor, target: Tensor, bandwidths: Sequence[float] = BANDWIDTHS, *, unbiased: bool = False
) -> Tensor:
    """Return the squared maximum mean discrepancy of two samples, a scalar.

    The biased estimator (Eq. 4) includes the pairs of a vector with itself. It is never negative, and above 0 for two
    samples of one distribution. This bias grows as the samples get smaller. The unbiased estimator (Gretton et al.,
    2012, Eq. 3) is 0 on average for such samples, and may be negative. The kernel is the mean of Gaussian kernels.
    Their squared bandwidths are multiples of the median squared distance between two different vectors of both samples.
    No gradient flows through the median.

    source (Tensor): shape (n_source, width), n_source 1 or more.
    target (Tensor): shape (n_target, width), n_target 1 or more.
    bandwidths (Sequence[float]): the multiples.
    unbiased (bool): the unbiased estimator; it is 0 if a sample has only one vector, which has no pair.
    """
    both = torch.cat([source, target])
    n_source, n_target = len(source), len(target)
    # Centred: the distances are the same, with less rounding.
    both = both - both.detach().mean(dim=0)
    squares = (both * both).sum(dim=1)
    distances = (squares.unsqueeze(0) + squares.unsqueeze(1) - 2 * both @ both.T).clamp(min=0)
    with torch.no_grad():
        different = distances[~torch.eye(len(both), dtype=torch.bool, device=both.device)]
        # A smaller distance is a rounding error, and a kernel that is so narrow would have huge gradients.
        floor = 100 * torch.finfo(both.dtype).eps * squares.max() + torch.finfo(both.dtype).tiny
        median = different.median().clamp(min=floor)
    kernel = torch.stack([torch.exp(-distances / (2 * factor * median)) for factor in bandwidths]).mean(dim=0)
    if unbiased:
        if min(n_source, n_target) < 2:
            return 0.0 * both.sum()
        of_source, of_target = kernel[:n_source, :n_source], kernel[n_source:, n_source:]
        # A vector's kernel with itself is 1.
        within = (of_source.sum() - n_source) / (n_source * (n_source - 1))
        within = within + (of_target.sum() - n_target) / (n_target * (n_target - 1))
        return within - 2 * kernel[:n_source, n_source:].mean()
    # Weights whose product with the kernel is Eq. 4.
    weights = torch.cat([both.new_full((n_source,), 1 / n_source), both.new_full((n_target,), -1 / n_target)])
    return (weights @ kernel @ weights).clamp(min=0)


class TwoDomainTerm(LossTerm):
    """A term that compares the docs of the target domain with all other docs of the batch.

    `batches_of_one_side` counts the batches in which all docs are on one side. They add nothing to the loss.

    target (str): the target domain: the domain mark of its docs.
    weight (float): factor in the sum of the terms.
    """

    def __init__(self, target: str, weight: float = 1.0) -> None:
        super().__init__(weight)
        self.target = target
        self.batches_of_one_side = 0

    def sides(self, inputs: LossInputs) -> Tensor:
        """Return which rows are of the target domain, bool, shape (n_docs,).

        RAISES (CrossnerError): a doc has no domain.
        """
        if None in inputs.domains:
            raise CrossnerError(Errors.C035.format(term=type(self).__name__))
        is_target = inputs.rows_of(self.target)
        if is_target.all() or not is_target.any():
            self.batches_of_one_side += 1
            if self.batches_of_one_side == 1:
                domains = ", ".join(sorted({str(domain) for domain in inputs.domains}))
                warnings.warn(Warnings.W002.format(term=type(self).__name__, found=domains), stacklevel=2)
        return is_target


class SentenceMMD(TwoDomainTerm):
    """Squared MMD between the sentence vectors of the target's docs and of all other docs (Eq. 5).

    target (str): the target domain: the domain mark of its docs.
    unbiased (bool): see `squared_mmd`.
    weight (float): factor in the sum of the terms.
    """

    needs_sentences = True

    def __init__(self, target: str, unbiased: bool = False, weight: float = 1.0) -> None:
        super().__init__(target, weight)
        self.unbiased = unbiased

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 if all docs of the batch are of one side."""
        is_target = self.sides(inputs)
        sentences = inputs.output.sentences
        if is_target.all() or not is_target.any():
            return 0.0 * sentences.sum()
        return squared_mmd(sentences[~is_target], sentences[is_target], unbiased=self.unbiased)


class WordMMD(TwoDomainTerm):
    """Sum over the tags of the squared MMD between token vectors of the target and of all other docs (Eq. 6).

    The tags are `O`, and `B-` and `I-` of each label. A tag that one side lacks adds nothing.

    target (str): the target domain: the domain mark of its docs.
    mu (float): coefficient of each tag.
    most (int): maximum number of token vectors for each tag and side, which bounds memory; of more vectors, evenly
        spaced ones are taken.
    unbiased (bool): see `squared_mmd`.
    weight (float): factor in the sum of the terms.
    """

    def __init__(
        self, target: str, mu: float = 0.25, most: int = 256, unbiased: bool = False, weight: float = 1.0
    ) -> None:
        super().__init__(target, weight)
        self.mu = mu
        self.most = most
        self.unbiased = unbiased

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return a scalar; 0 if no tag occurs on both sides."""
        is_target = self.sides(inputs).unsqueeze(1).expand_as(inputs.tags)
        tokens = inputs.output.tokens
        discrepancies: List[Tensor] = [0.0 * tokens.sum()]
        for tag in inputs.tags[inputs.tags >= 0].unique().tolist():
            here = inputs.tags == tag
            source, target = (self._thinned(tokens[here & side]) for side in (~is_target, is_target))
            if len(source) and len(target):
                discrepancies.append(self.mu * squared_mmd(source, target, unbiased=self.unbiased))
        return torch.stack(discrepancies).sum()

    def _thinned(self, rows: Tensor) -> Tensor:
        if len(rows) <= self.most:
            return rows
        return rows[torch.linspace(0, len(rows) - 1, self.most, device=rows.device).long()]
