"""The interface of all heads: token vectors in, a `HeadOutput` out, a likelihood for training, decoding of tags."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Dict, Optional, Tuple

import torch
from torch import Tensor, nn

from .path_spans import spans_of_paths


@dataclass
class HeadOutput:
    """The output of a head for a batch: padded tensors. In training they have a graph.

    emissions (Tensor): tag scores, shape (n_docs, n_tokens, n_tags).
    mask (Tensor): True at tokens, False at padding, shape (n_docs, n_tokens).
    vectors (Tensor): token vectors from the encoder, shape (n_tokens_in_all, width), or padded as `tokens`.
    sentences (Tensor): sentence vectors, if a loss term needs them, shape (n_docs, width).
    extras (Dict[str, Tensor]): further outputs of a head by name (a second task's emissions, gate logits).
    memo (Dict[str, Any]): cache of results that a head has computed from this output.
    """

    emissions: Tensor
    mask: Tensor
    vectors: Tensor
    sentences: Tensor = field(default_factory=lambda: torch.empty(0))
    extras: Dict[str, Tensor] = field(default_factory=dict)
    memo: Dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def tokens(self) -> Tensor:
        """The token vectors, padded, shape (n_docs, n_tokens, width)."""
        return self.vectors if self.vectors.dim() == 3 else pad_tokens(self.vectors, self.mask)


@dataclass
class Decoding:
    """The rules by which tags are decoded.

    constrained (bool): legal BIO sequences only.
    allowed (Optional[Tensor]): which tags each token may take, bool, shape (n_docs, n_tokens, n_tags); None for all.
    temperature (float): divides all scores before they become probabilities.
    """

    constrained: bool = True
    allowed: Optional[Tensor] = None
    temperature: float = 1.0


def pad_tokens(flat: Tensor, mask: Tensor) -> Tensor:
    """Arrange token vectors in one padded row for each doc.

    flat (Tensor): the vectors of all tokens of all docs in order, or their tag scores, shape (n_tokens_in_all, width).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    RETURNS (Tensor): shape (n_docs, n_tokens, width), 0 at padding.
    """
    # Not `padded[mask] = flat`, for which the host waits until a GPU has counted the tokens.
    place = mask.flatten().cumsum(0).sub_(1).clamp_(min=0)
    return flat[place].view(*mask.shape, -1).masked_fill(~mask.unsqueeze(2), 0.0)


class SequenceHead(nn.Module):
    """Base class of the heads. Parameters that a loss needs (transitions, projections) are submodules of the head."""

    def forward(self, tokens: Tensor, mask: Tensor, tags: Optional[Tensor] = None) -> HeadOutput:
        """Score the tags of each token.

        tokens (Tensor): the vectors of all tokens of all docs in order, shape (n_tokens_in_all, width).
        mask (Tensor): True at tokens, shape (n_docs, n_tokens); every row has a token.
        tags (Optional[Tensor]): in training, the gold tag indices, shape (n_docs, n_tokens), -1 where unknown. An
            autoregressive head takes its prefixes from them.
        """
        raise NotImplementedError

    def rerun(self, output: HeadOutput, tokens: Tensor, tags: Tensor) -> HeadOutput:
        """Run the head on other vectors of the same tokens.

        output (HeadOutput): the output of the first run.
        tokens (Tensor): the new vectors of all tokens in order, shape (n_tokens_in_all, width).
        tags (Tensor): as in `forward`.
        """
        second: HeadOutput = self(tokens, output.mask, tags)
        return second

    def nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the negative log-likelihood of the known tags (not -1), divided by their number; a scalar."""
        raise NotImplementedError

    def log_probabilities(self, output: HeadOutput) -> Tensor:
        """Return the log-probability of each tag at each token, with a gradient, shape (n_docs, n_tokens, n_tags).

        Values at padding have no meaning. For an autoregressive head, the probabilities are conditional on the prefixes
        that were passed to `forward`.
        """
        return output.emissions.log_softmax(dim=-1)

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the best tag indices, shape (n_docs, n_tokens); values at padding have no meaning."""
        raise NotImplementedError

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return for each span the probability that exactly this span is an entity of its label, shape (n_spans,).

        spans (Tensor): row, start, end (exclusive) and label index, shape (n_spans, 4).
        """
        raise NotImplementedError

    def decode_spans(self, output: HeadOutput, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the best tags, and the probabilities of their entities, as `span_probabilities` gives them.

        An entity begins at B-X, or at an I-X that continues no entity of X.

        RETURNS (Tuple[Tensor, Tensor]): tag indices as in `decode`, and float64: the probability of an entity at its
            first token, 0 at all other tokens; both on the head's device, of shape (n_docs, n_tokens). A probability is
            nan where only `span_probabilities` can give it; never on a CPU.
        """
        paths = self.decode(output, decoding)
        spans = spans_of_paths(paths, output.mask)
        scores = torch.zeros(paths.shape, dtype=torch.float64, device=paths.device)
        if len(spans):
            scores[spans[:, 0], spans[:, 1]] = self.span_probabilities(output, spans, decoding).double()
        return paths, scores

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`, shape (n_spans, 4), and their probabilities."""
        raise NotImplementedError

    def tag_probabilities(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the probability of each tag at each token, float64, shape (n_docs, n_tokens, n_tags).

        Values at padding have no meaning. For an autoregressive head without a CRF, the probabilities are conditional
        on the decoded tags before the token.
        """
        raise NotImplementedError

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Add new tags. They come after the old tags, which keep their weights.

        allowed_starts (Tensor): which of all tags may begin a sequence, shape (n_tags,).
        allowed_transitions (Tensor): which transitions are allowed, row = from, column = to, shape (n_tags, n_tags).
        """
        raise NotImplementedError


def grow_linear(layer: nn.Linear, n_out: int) -> nn.Linear:
    """Return a layer with `n_out` outputs. Its first outputs have the weights of `layer`."""
    grown = nn.Linear(layer.in_features, n_out, device=layer.weight.device, dtype=layer.weight.dtype)
    with torch.no_grad():
        grown.weight[: layer.out_features] = layer.weight
        grown.bias[: layer.out_features] = layer.bias
    return grown
