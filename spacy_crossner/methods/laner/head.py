"""The label-aware autoregressive head (LANER): each tag is predicted from the sentence and from the tags before it.

p(Y | X) = prod p(y_i | y_1 .. y_(i-1), X), from "Label-aware Autoregressive Framework for Cross-domain NER" (Hu et al.,
2022). The searches for the tags are in `greedy.py` and `beam.py`, the probabilities of spans in `spans.py`.
"""

from dataclasses import replace
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from ...core.head import Decoding, HeadOutput, SequenceHead, pad_tokens
from ...core.linear import LinearTagger
from ...tuning import LANER_BLOCK_TOKENS
from .beam import search_beam
from .greedy import tag_in_full_rounds, tag_in_groups
from .prefixes import PrefixEncoder
from .spans import SpanChains
from .tagging import Tagging, pick_tags, tag_probabilities


class LabelAwareTagger(LinearTagger):
    """Linear layer on a token vector, its label background (of the sentence) and its label context (of the tags).

    width (int): width of the token vectors, d1 in the paper.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    label_width (int): width of the label table and of each direction of the BiLSTM, d2 in the paper.
    use_background (bool): attend from the tags before a token to the sentence (Eqs. 4 to 6). Without the background,
        the query of the label context comes from the token only.
    use_context (bool): attend from a token to the tags before it (Eqs. 7 and 8).
    use_crf (bool): a CRF on top. Its emissions are the scores given the greedy tags.
    scheduled_sampling (float): in training, the probability that a tag in a prefix is the model's prediction, from a
        first pass with gold prefixes (Mihaylova and Martins, 2019). 0 for gold tags only, as in the paper.
    beam (int): width of the beam; 1 for greedy tagging.
    block (Optional[int]): number of tokens of a doc that a round of greedy tagging scores on a CPU, None for the
        default. It changes the speed, never the result. On a GPU a round scores all tokens.
    max_cells (int): bound for the memory; see `PrefixEncoder`.
    RAISES (ValueError): neither background nor context is used; use `LinearTagger` instead.
    """

    def __init__(
        self,
        width: int,
        allowed_starts: Tensor,
        allowed_transitions: Tensor,
        *,
        label_width: int = 100,
        use_background: bool = True,
        use_context: bool = True,
        use_crf: bool = False,
        scheduled_sampling: float = 0.5,
        beam: int = 1,
        block: Optional[int] = None,
        max_cells: int = 65_536,
    ) -> None:
        if not (use_background or use_context):
            raise ValueError("LabelAwareTagger needs use_background or use_context; without both use LinearTagger.")
        super().__init__(width, allowed_starts, allowed_transitions, use_crf=use_crf)
        self.use_background, self.use_context = use_background, use_context
        self.scheduled_sampling, self.beam, self.block = scheduled_sampling, beam, block
        self.prefixes = PrefixEncoder(len(allowed_starts), label_width, max_cells)
        if use_background:
            # W2 and b2 of Eq. 4.
            self.background_query = nn.Linear(2 * label_width, width)
        if use_context:
            # W3 and b3 of Eq. 7.
            self.context_query = nn.Linear(width * (1 + use_background), 2 * label_width)
        self.output = nn.Linear(width * (1 + use_background) + 2 * label_width * use_context, len(allowed_starts))

    def forward(self, tokens: Tensor, mask: Tensor, tags: Optional[Tensor] = None) -> HeadOutput:
        """Score the tags of each token. With `tags`, the scores are conditional on the gold tags before the token.

        For a token without annotation, prefixes contain the tag that the model predicts. Without `tags`, the emissions
        are the scores of the token vectors only; `tagging` adds the scores of the prefixes.
        """
        padded = pad_tokens(tokens, mask)
        output = HeadOutput(emissions=self.token_scores(self.dropout(padded)), mask=mask, vectors=padded)
        if tags is None:
            return output
        labels = self.prefixes.labels(self._prefix_tags(output, tags))
        scores = self.feature_scores(self.dropout(self.features(output, labels)))
        return replace(output, emissions=output.emissions + scores)

    def _prefix_tags(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the tags for prefixes: gold tags, or predictions for unknown tags and by scheduled sampling."""
        unknown = (tags < 0) & output.mask
        if unknown.any():
            gold = nn.functional.one_hot(tags.clamp(min=0), output.emissions.shape[2]).bool()
            predicted = self._search(output, Decoding(allowed=gold | unknown.unsqueeze(2))).tags
            tags = torch.where(unknown, predicted, tags)
        if self.training and self.scheduled_sampling:
            with torch.no_grad():
                labels = self.prefixes.labels(tags)
                predicted = pick_tags(self.crf, self.scores_along(output, labels), labels, Decoding(constrained=False))
            drawn = torch.rand(tags.shape, device=tags.device) < self.scheduled_sampling
            tags = torch.where(drawn, predicted, tags)
        return tags

    def token_scores(self, tokens: Tensor) -> Tensor:
        """Return the part of the scores (Eq. 10) that depends only on the token vectors, shape (..., n_tags)."""
        return nn.functional.linear(tokens, self.output.weight[:, : tokens.shape[-1]], self.output.bias)

    def feature_scores(self, features: Tensor) -> Tensor:
        """Return the part of the scores (Eq. 10) that depends on the prefixes, shape (..., n_tags)."""
        return nn.functional.linear(features, self.output.weight[:, -features.shape[-1] :])

    def scores_along(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the scores of all tokens with given prefixes, shape (n_docs, n_tokens, n_tags).

        labels (Tensor): the label at each position of the longest prefix, shape (n_docs, n_tokens).
        """
        return self.token_scores(output.tokens) + self.feature_scores(self.features(output, labels))

    def features(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return label background and label context (z in Eq. 9) of all tokens.

        labels (Tensor): the label at each position of the longest prefix, shape (n_docs, n_tokens).
        RETURNS (Tensor): shape (n_docs, n_tokens, n_features); n_features is width (background) + 2 * label_width
            (context), without the parts that are not used.
        """
        tokens, query, features = output.tokens, output.tokens, []
        forward = self.prefixes.forward_states(labels)
        if self.use_background:
            # shape: (n_docs, n_tokens, n_tokens)
            weights = self.background_query(self.prefixes.last_states(labels, forward)) @ tokens.transpose(1, 2)
            weights = weights.masked_fill(~output.mask.unsqueeze(1), -torch.inf).softmax(dim=2)
            background = weights @ tokens
            query = torch.cat([query, background], dim=2)
            features.append(background)
        if self.use_context:
            position = torch.arange(labels.shape[1], device=labels.device).expand(labels.shape)
            features.append(self.prefixes.attend(self.context_query(query), labels, forward, position, output.mask))
        return torch.cat(features, dim=2)

    def tagging(self, output: HeadOutput, decoding: Decoding) -> Tagging:
        """Return the tags found by greedy or beam search, and their scores; cached in the output."""
        rules, tagging = output.memo.get("tagging", (decoding, None))
        if tagging is None or rules.constrained != decoding.constrained or rules.allowed is not decoding.allowed:
            tagging = self._search(output, decoding)
            output.memo["tagging"] = decoding, tagging
        return tagging

    def _search(self, output: HeadOutput, decoding: Decoding) -> Tagging:
        if self.beam > 1:
            return search_beam(self, output, decoding, self.beam)
        if output.mask.device.type != "cpu":
            return tag_in_full_rounds(self, output, decoding)
        return tag_in_groups(self, output, decoding, self.block or LANER_BLOCK_TOKENS)

    def lattice_output(self, output: HeadOutput, decoding: Decoding) -> HeadOutput:
        """Return the output with the emissions of the CRF on top: the scores given the tags of `tagging`."""
        return replace(output, emissions=self.tagging(output, decoding).scores)

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the tags of `tagging`, or the best path of the CRF on top; see `SequenceHead`."""
        return super().decode(output, decoding) if self.use_crf else self.tagging(output, decoding).tags

    def decode_spans(self, output: HeadOutput, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the best tags and the probabilities of their entities; see `SequenceHead`."""
        if self.use_crf:
            return super().decode_spans(output, decoding)
        return SequenceHead.decode_spans(self, output, decoding)

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return the probability of spans: see `SpanChains`, or exact under the CRF on top; see `SequenceHead`."""
        if self.use_crf:
            return super().span_probabilities(output, spans, decoding)
        return SpanChains(self, output, self.tagging(output, decoding), decoding).probabilities(spans)

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `span_probabilities`."""
        if self.use_crf:
            return super().candidates(output, floor, decoding)
        return SpanChains(self, output, self.tagging(output, decoding), decoding).candidates(floor)

    def tag_probabilities(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the probability of each tag given the decoded tags before it, or the marginals of the CRF on top."""
        if self.use_crf:
            return super().tag_probabilities(output, decoding)
        tagging = self.tagging(output, decoding)
        return tag_probabilities(self.crf, tagging.scores, tagging.labels, decoding)

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Add new tags; see `SequenceHead`."""
        super().grow(allowed_starts, allowed_transitions)
        self.prefixes.grow(len(allowed_starts))
