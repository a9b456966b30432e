"""The basic tagger: one linear layer on the token vectors, with a CRF or a softmax on top."""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from .crf import BioCRF
from .head import Decoding, HeadOutput, SequenceHead, grow_linear, pad_tokens
from .lattice import Lattice


class LinearTagger(SequenceHead):
    """Linear layer with a CRF, or with a softmax for each token (the tagger of CrossNER).

    width (int): width of the token vectors.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    use_crf (bool): True for a CRF, False for a softmax for each token.
    """

    def __init__(
        self, width: int, allowed_starts: Tensor, allowed_transitions: Tensor, *, use_crf: bool = True
    ) -> None:
        super().__init__()
        self.use_crf = use_crf
        self.dropout = nn.Dropout(0.0)
        self.output = nn.Linear(width, len(allowed_starts))
        self._set_crf(BioCRF(allowed_starts, allowed_transitions))

    def _set_crf(self, crf: BioCRF) -> None:
        # A softmax is decoded as a CRF with transitions fixed at 0, so that only the BIO constraints link its tokens.
        self.crf = crf
        crf.has_transitions = self.use_crf
        if not self.use_crf:
            for scores in crf.parameters():
                nn.init.zeros_(scores).requires_grad_(False)

    def forward(self, tokens: Tensor, mask: Tensor, tags: Optional[Tensor] = None) -> HeadOutput:
        """Score the tags of each token; see `SequenceHead`."""
        # The scores are padded and not the vectors, which are many times wider.
        return HeadOutput(emissions=pad_tokens(self.output(self.dropout(tokens)), mask), mask=mask, vectors=tokens)

    def nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the negative log-likelihood per annotated token; see `SequenceHead`."""
        n_known = (tags >= 0).sum().clamp(min=1)
        if self.use_crf:
            # The likelihood of a row without annotation is 1. Without the row, its gradient is exactly 0.
            rows = (tags >= 0).any(dim=1)
            if not rows.any():
                return 0.0 * output.emissions.sum()
            emissions, tags, mask = output.emissions[rows], tags[rows], output.mask[rows]
            return -self.crf.log_likelihood(emissions, tags, mask).sum() / n_known
        losses = nn.functional.cross_entropy(output.emissions.transpose(1, 2), tags, ignore_index=-1, reduction="sum")
        return losses / n_known

    def log_probabilities(self, output: HeadOutput) -> Tensor:
        """Return the log-marginals of the CRF, or the log-softmax; see `SequenceHead`."""
        if self.use_crf:
            return self.crf.log_marginals(output.emissions, output.mask)
        return super().log_probabilities(output)

    def lattice_output(self, output: HeadOutput, decoding: Decoding) -> HeadOutput:
        """Return the output that the CRF decodes. Heads whose emissions depend on the tags override this method."""
        return output

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the best tag indices; see `SequenceHead`."""
        emissions = self.lattice_output(output, decoding).emissions
        return self.crf.best_paths(emissions, output.mask, decoding.constrained, decoding.allowed)

    def decode_spans(self, output: HeadOutput, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the best tags and the exact probabilities of their entities; see `SequenceHead`."""
        emissions = self.lattice_output(output, decoding).emissions
        return self.crf.best_spans(
            emissions,
            output.mask,
            constrained=decoding.constrained,
            temperature=decoding.temperature,
            allowed=decoding.allowed,
        )

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return the exact probability of spans under the CRF; see `SequenceHead`."""
        # Most rows have no span and need no lattice.
        rows, row_of_span = spans[:, 0].unique(return_inverse=True)
        lattice = self._lattice(output, rows, decoding)
        return lattice.span_probabilities(torch.cat([row_of_span.unsqueeze(1), spans[:, 1:]], dim=1))

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead`."""
        return self._lattice(output, self._all_rows(output), decoding).candidates(floor)

    def tag_probabilities(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the marginals of the CRF; see `SequenceHead`."""
        return self._lattice(output, self._all_rows(output), decoding).marginals()

    def _all_rows(self, output: HeadOutput) -> Tensor:
        return torch.arange(len(output.mask), device=output.mask.device)

    def _lattice(self, output: HeadOutput, rows: Tensor, decoding: Decoding) -> Lattice:
        output = self.lattice_output(output, decoding)
        mask = output.mask[rows]
        # shape: (n_rows, length of the longest row)
        mask = mask[:, : int(mask.sum(dim=1).max())]
        emissions = output.emissions[rows, : mask.shape[1]]
        allowed = None if decoding.allowed is None else decoding.allowed[rows, : mask.shape[1]]
        return self.crf.lattice(
            emissions, mask, constrained=decoding.constrained, temperature=decoding.temperature, allowed=allowed
        )

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Add new tags; see `SequenceHead`."""
        self.output = grow_linear(self.output, len(allowed_starts))
        self._set_crf(self.crf.grown(allowed_starts, allowed_transitions))

    @torch.no_grad()
    def start_new_tags(self, directions: Tensor, mean: Tensor) -> None:
        """Give new tags rows of the output layer in given directions.

        A new tag gets the row w = r d / |d| and the bias b = s - w m. d is its direction, and m the mean token vector.
        r is the mean of |w_k|, and s the mean of the scores w_k m + b_k at m, over the old tags k with the same prefix,
        B or I. So new rows have the scale of trained rows, and their score at m. If the layer takes other features
        beside the token vector, their columns stay as they are.

        directions (Tensor): one row for each new tag, which are the last tags; a tag with 0 keeps its row. Shape
            (n_new_tags, width).
        mean (Tensor): shape (width,).
        """
        # The columns of the token vector come first.
        weight, bias = self.output.weight[:, : len(mean)], self.output.bias
        n_old = len(bias) - len(directions)
        for first in (1, 2):
            old, new = slice(first, n_old, 2), slice(n_old + first - 1, None, 2)
            rows = nn.functional.normalize(directions[first - 1 :: 2], dim=1) * weight[old].norm(dim=1).mean()
            shifts = (weight[old] @ mean + bias[old]).mean() - rows @ mean
            known = directions[first - 1 :: 2].any(dim=1)
            weight[new] = torch.where(known.unsqueeze(1), rows, weight[new])
            bias[new] = torch.where(known, shifts, bias[new])
