"""The mixture of entity experts with multi-task learning (MoEE).

"Zero-Resource Cross-Domain Named Entity Recognition" (Liu et al., 2020).
"""

from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from ...annotations.tags import allowed_starts, allowed_transitions, label_tags
from ...core.head import HeadOutput, grow_linear, pad_tokens
from ...core.linear import LinearTagger

# Names in `HeadOutput.extras`.
DETECTION, GATE = "detection", "gate"
# The tags of task 1, entity or not: BIO with one type.
DETECTION_TAGS = label_tags(["entity"])


class MixtureTagger(LinearTagger):
    """Tagger on a mixture of features from one expert for each entity type and one for no entity (Eqs. 1 to 3).

    A gate weights the experts for each token; it learns from the gold types. A second tagger on the same token vectors
    learns to distinguish entities from other tokens (task 1). It is not used for predictions.

    width (int): width of the token vectors.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    expert_width (int): width of the experts' features.
    use_multi_task (bool): learn task 1.
    use_experts (bool): use gate and experts. Without experts and task 1, this is the `LinearTagger`.
    use_crf (bool): True for a CRF for each task, False for a softmax for each token.
    """

    def __init__(
        self,
        width: int,
        allowed_starts: Tensor,
        allowed_transitions: Tensor,
        *,
        expert_width: int = 200,
        use_multi_task: bool = True,
        use_experts: bool = True,
        use_crf: bool = True,
    ) -> None:
        super().__init__(width, allowed_starts, allowed_transitions, use_crf=use_crf)
        n_tags = len(allowed_starts)
        self.expert_width = expert_width
        self.use_experts = use_experts
        self.detector: Optional[LinearTagger] = None
        if use_multi_task:
            self.detector = LinearTagger(width, *_detection_constraints(), use_crf=use_crf)
        if use_experts:
            n_experts = count_experts(n_tags)
            self.gate = nn.Linear(width, n_experts)
            # The linear layers of all experts, stacked.
            self.experts = nn.Linear(width, n_experts * expert_width)
            self.output = nn.Linear(expert_width, n_tags)

    def forward(self, tokens: Tensor, mask: Tensor, tags: Optional[Tensor] = None) -> HeadOutput:
        """Score the tags of each token; see `SequenceHead`.

        RETURNS (HeadOutput): its `extras` are the emissions of task 1, shape (n_docs, n_tokens, 3), and the logits of
            the gate, shape (n_docs, n_tokens, n_experts): no entity first, then the types in order.
        """
        extras = {}
        # The experts take most of the time, so they are run on tokens only, not on padding.
        hidden = self.dropout(tokens)
        if self.detector is not None:
            extras[DETECTION] = pad_tokens(self.detector.output(hidden), mask)
        if self.use_experts:
            logits = self.gate(hidden)
            extras[GATE] = pad_tokens(logits, mask)
            scores = self.score_mixture(hidden, logits.softmax(dim=1))
        else:
            scores = self.output(hidden)
        emissions = pad_tokens(scores, mask)
        return HeadOutput(emissions=emissions, mask=mask, vectors=tokens, extras=extras)

    def score_mixture(self, hidden: Tensor, weights: Tensor) -> Tensor:
        """Return the tag scores of the meta-expert feature (Eqs. 1 and 3), shape (n_tokens_in_all, n_tags).

        hidden (Tensor): token vectors, shape (n_tokens_in_all, width).
        weights (Tensor): the weight of each expert (Eq. 2), shape (n_tokens_in_all, n_experts).
        """
        if self.training:
            features = self.experts(hidden).unflatten(1, (-1, self.expert_width))
            return self.output(self.dropout(torch.einsum("ne,nef->nf", weights, features)))
        # Without dropout between them, an expert and the output layer are one linear layer from token vectors to few
        # tags: the same scores at a fraction of the cost.
        output, bias = self.output.weight, self.experts.bias.unflatten(0, (-1, self.expert_width))
        experts = torch.einsum("tf,efw->etw", output, self.experts.weight.unflatten(0, (-1, self.expert_width)))
        scores = nn.functional.linear(hidden, experts.flatten(0, 1), (bias @ output.T).flatten())
        return torch.einsum("ne,net->nt", weights, scores.unflatten(1, (-1, len(output)))) + self.output.bias

    def detection_nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the loss of task 1 (Eq. 4) per annotated token; 0 without this task.

        tags (Tensor): gold tag indices of task 2, shape (n_docs, n_tokens), -1 where unknown.
        """
        if self.detector is None:
            return 0.0 * output.emissions.sum()
        # From index 1 on, B and I of each type alternate.
        detection_tags = torch.where(tags > 0, (tags - 1) % 2 + 1, tags)
        detection = HeadOutput(emissions=output.extras[DETECTION], mask=output.mask, vectors=output.vectors)
        return self.detector.nll(detection, detection_tags)

    def gate_nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the loss of the gate (Eq. 6) per annotated token; 0 without experts.

        tags (Tensor): gold tag indices, shape (n_docs, n_tokens), -1 where unknown.
        """
        if not self.use_experts:
            return 0.0 * output.emissions.sum()
        experts = torch.where(tags > 0, expert_of(tags), tags)
        logits = output.extras[GATE].flatten(0, 1)
        losses = nn.functional.cross_entropy(logits, experts.flatten(), ignore_index=-1, reduction="sum")
        return losses / (tags >= 0).sum().clamp(min=1)

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Add new tags, and an expert for each new type; see `SequenceHead`."""
        if self.use_experts:
            n_experts = count_experts(len(allowed_starts))
            self.gate = grow_linear(self.gate, n_experts)
            self.experts = grow_linear(self.experts, n_experts * self.expert_width)
        super().grow(allowed_starts, allowed_transitions)


def count_experts(n_tags: int) -> int:
    """Return the number of experts for a number of tags: one for each type, and one for no entity."""
    return (n_tags + 1) // 2


def expert_of(tags: Tensor) -> Tensor:
    """Return the expert of each tag index: 0 for `O`; for other tags the index of their type, counted from 1."""
    return (tags + 1) // 2


def _detection_constraints() -> Tuple[Tensor, Tensor]:
    starts, transitions = allowed_starts(DETECTION_TAGS), allowed_transitions(DETECTION_TAGS)
    return torch.from_numpy(starts), torch.from_numpy(transitions)
