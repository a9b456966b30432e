"""The label-aware autoregressive head (LANER): each tag is predicted from the sentence and from the tags before it.

p(Y | X) = prod p(y_i | y_1 .. y_(i-1), X), from "Label-aware Autoregressive Framework for Cross-domain NER" (Hu et al.,
2022). How a sentence is tagged stands in `greedy.py`.
"""

from dataclasses import replace
from typing import Optional, Tuple

import torch
from torch import Tensor, nn

from ...core.head import Decoding, HeadOutput, pad_tokens
from ...core.linear import LinearTagger
from .greedy import Tagging, pick_tags, search_beam, tag_greedily, tag_in_groups, tag_probabilities
from .prefixes import PrefixEncoder

# Tokens of a doc that a round looks at on a CPU: near the best for batches of 1 to 128 docs.
BLOCK = 16
# Rounds of guessing before those of `tag_greedily`: a second costs more than it saves.
GUESSES = 1


class LabelAwareTagger(LinearTagger):
    """Linear layer on a token, what its label background tells of the sentence and its label context of the tags.

    width (int): width of the token vectors, d1 in the paper.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    label_width (int): width of the label table and of each half of the Bi-LSTM, d2 in the paper.
    use_background (bool): attend from the tags before a token to the sentence (Eqs. 4 to 6). Without it the query of
        the label context comes from the token alone.
    use_context (bool): attend from a token to the tags before it (Eqs. 7 and 8). Without both parts this is the plain
        tagger.
    use_crf (bool): a CRF on top. Its emissions are those along the greedy tags.
    scheduled_sampling (float): the share of tags in a prefix that in training are the model's own, from a first pass
        with gold prefixes (Mihaylova and Martins, 2019). 0 for gold ones only, as in the paper.
    beam (int): prefixes followed at once in decoding; 1 for the greedy answer.
    block (Optional[int]): tokens that a round of decoding looks at; None to choose by the batch. Whatever it is, the
        answer is the same.
    max_cells (int): see `PrefixEncoder`.
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
        super().__init__(width, allowed_starts, allowed_transitions, use_crf=use_crf)
        self.use_background, self.use_context = use_background, use_context
        self.scheduled_sampling, self.beam, self.block = scheduled_sampling, beam, block
        if not self.is_autoregressive:
            return
        self.prefixes = PrefixEncoder(len(allowed_starts), label_width, max_cells)
        if use_background:
            # W2 and b2 of Eq. 4.
            self.background_query = nn.Linear(2 * label_width, width)
        if use_context:
            # W3 and b3 of Eq. 7.
            self.context_query = nn.Linear(width * (1 + use_background), 2 * label_width)
        self.output = nn.Linear(width * (1 + use_background) + 2 * label_width * use_context, len(allowed_starts))

    @property
    def is_autoregressive(self) -> bool:
        """Whether a tag depends on those before it."""
        return self.use_background or self.use_context

    def forward(self, tokens: Tensor, mask: Tensor, tags: Optional[Tensor] = None) -> HeadOutput:
        """Score the tags of each token, with the gold tags before it as its prefix where there are `tags`.

        A token without annotation enters the prefix with the tag that the model gives it. Without `tags` the emissions
        are the part that no prefix touches; `decode` adds the rest.
        """
        if not self.is_autoregressive:
            return super().forward(tokens, mask, tags)
        padded = pad_tokens(tokens, mask)
        output = HeadOutput(emissions=self.token_scores(self.dropout(padded)), mask=mask, tokens=padded)
        if tags is not None:
            labels = self.prefixes.labels(self._prefix_tags(output, tags))
            output.emissions = output.emissions + self.feature_scores(self.dropout(self.features(output, labels)))
        return output

    def _prefix_tags(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return gold tags, the model's own where there is none or where scheduled sampling puts it."""
        unknown = (tags < 0) & output.mask
        if unknown.any():
            gold = nn.functional.one_hot(tags.clamp(min=0), output.emissions.shape[2]).bool()
            own = self._tag(output, Decoding(allowed=gold | unknown.unsqueeze(2))).tags
            tags = torch.where(unknown, own, tags)
        if self.training and self.scheduled_sampling:
            with torch.no_grad():
                labels = self.prefixes.labels(tags)
                own = pick_tags(self.crf, self.scores_along(output, labels), labels, Decoding(constrained=False))
            drawn = torch.rand(tags.shape, device=tags.device) < self.scheduled_sampling
            tags = torch.where(drawn, own, tags)
        return tags

    def token_scores(self, tokens: Tensor) -> Tensor:
        """Return the part of the scores (Eq. 10) that comes from the tokens alone, shape (..., n_tags)."""
        return nn.functional.linear(tokens, self.output.weight[:, : tokens.shape[-1]], self.output.bias)

    def feature_scores(self, features: Tensor) -> Tensor:
        """Return the part of the scores that comes from the prefixes, shape (..., n_tags)."""
        return nn.functional.linear(features, self.output.weight[:, -features.shape[-1] :])

    def scores_along(self, output: HeadOutput, labels: Tensor) -> Tensor:
        """Return the scores of all tokens with given prefixes, shape (n_docs, n_tokens, n_tags).

        labels (Tensor): the label at each place of the longest prefix, shape (n_docs, n_tokens).
        """
        return self.token_scores(output.tokens) + self.feature_scores(self.features(output, labels))

    def features(self, output: HeadOutput, labels: Tensor, *, rough: bool = False) -> Tensor:
        """Return the label-aware features of all tokens; see `window_features` and `scores_along`."""
        place = torch.arange(labels.shape[1], device=labels.device).expand(labels.shape)
        forward = self.prefixes.forward_states(labels)
        return self.window_features(output.tokens, output.mask, labels, forward, place, output.mask, rough=rough)

    def guess(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return tags that are likely near those of `decode`, at little cost, shape (n_docs, n_tokens)."""
        scores = self.token_scores(output.tokens)
        tags = self.crf.best_paths(scores, output.mask, decoding.constrained, decoding.allowed)
        for _ in range(GUESSES):
            labels = self.prefixes.labels(tags)
            near = scores + self.feature_scores(self.features(output, labels, rough=True))
            tags = pick_tags(self.crf, near, labels, decoding)
        return tags

    def window_features(
        self,
        tokens: Tensor,
        mask: Tensor,
        labels: Tensor,
        forward: Tensor,
        place: Tensor,
        inside: Tensor,
        *,
        rough: bool = False,
    ) -> Tensor:
        """Return label background and label context (z in Eq. 9) of some tokens of each doc.

        tokens (Tensor): all tokens, shape (n_docs, n_tokens, width).
        mask (Tensor): True at tokens, shape (n_docs, n_tokens).
        labels (Tensor): the label at each place of the longest prefix, shape (n_docs, n_tokens).
        forward (Tensor): what the forward half makes of each place, shape (n_docs, n_tokens, label_width).
        place (Tensor): which tokens, within the rows, shape (n_docs, n_looked_at).
        inside (Tensor): which of them are tokens, not padding, shape (n_docs, n_looked_at).
        rough (bool): attend to the tags before a token roughly. These are all tokens of the docs then.
        RETURNS (Tensor): shape (n_docs, n_looked_at, width + 2 * label_width).
        """
        row = torch.arange(len(labels), device=labels.device).unsqueeze(1).expand(place.shape)
        query, parts = tokens[row, place], []
        if self.use_background:
            last = self.prefixes.last_states(labels[row, place], forward[row, place])
            # shape: (n_docs, n_looked_at, n_tokens)
            weights = self.background_query(last) @ tokens.transpose(1, 2)
            weights = weights.masked_fill(~mask.unsqueeze(1), -torch.inf).softmax(dim=2)
            background = weights @ tokens
            query = torch.cat([query, background], dim=2)
            parts.append(background)
        if self.use_context:
            queries = self.context_query(query)
            if rough:
                parts.append(self.prefixes.attend_roughly(queries, labels, forward))
            else:
                parts.append(self.prefixes.attend(queries, labels, forward, place, inside))
        return torch.cat(parts, dim=2)

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the tag indices, each the best given those before it; see `SequenceHead`.

        With a CRF on top they are the best path over the emissions along these tags.
        """
        if not self.is_autoregressive:
            return super().decode(output, decoding)
        if self.use_crf:
            return super().decode(self._along_tags(output, decoding), decoding)
        return self.tagging(output, decoding).tags

    def tagging(self, output: HeadOutput, decoding: Decoding) -> Tagging:
        """Return the tags, each the best given those before it, and how they were found; kept with the output."""
        rules, found = output.memo.get("tagging", (decoding, None))
        if found is None or rules.constrained != decoding.constrained or rules.allowed is not decoding.allowed:
            found = self._tag(output, decoding)
            output.memo["tagging"] = decoding, found
        return found

    def _tag(self, output: HeadOutput, decoding: Decoding) -> Tagging:
        if self.beam > 1:
            return search_beam(self, output, decoding, self.beam)
        if output.mask.device.type != "cpu":
            # There many tokens at once take no longer than one.
            return tag_greedily(self, output, decoding, self.block or output.mask.shape[1])
        return tag_in_groups(self, output, decoding, self.block or BLOCK)

    def _along_tags(self, output: HeadOutput, decoding: Decoding) -> HeadOutput:
        """Return the output with the emissions that come with the tags found."""
        if not self.is_autoregressive:
            return output
        return replace(output, emissions=self.tagging(output, decoding).scores)

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return the probability of spans, given the tags that were found before each; see `SequenceHead`.

        That is the product of the probabilities of B-X, of I-X up to the end, and of not I-X there, each given the tags
        before it; with a CRF on top the exact probability under the CRF.
        """
        if not self.is_autoregressive or self.use_crf:
            return super().span_probabilities(self._along_tags(output, decoding), spans, decoding)
        row, start, end, label = spans.unbind(1)
        longest = int((end - start).max()) if len(spans) else 0
        probability = torch.ones(len(spans), dtype=torch.float64, device=spans.device)
        for length in range(longest + 1):
            # The token after the last of a span is asked, too, if there is one.
            asked = ((start + length <= end) & (start + length < output.mask.sum(dim=1)[row])).nonzero().squeeze(1)
            onward = self._next_probability(output, decoding, spans[asked, 0], start[asked], length, label[asked])
            stops = start[asked] + length == end[asked]
            probability[asked] *= torch.where(stops, 1 - onward, onward)
        return probability

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead`."""
        if not self.is_autoregressive or self.use_crf:
            return super().candidates(self._along_tags(output, decoding), floor, decoding)
        lengths = output.mask.sum(dim=1)
        found = self.tagging(output, decoding)
        begins = tag_probabilities(self.crf, found.scores, found.labels, decoding)[:, :, 1::2]
        row, start, label = ((begins >= floor) & output.mask.unsqueeze(2)).nonzero(as_tuple=True)
        prefix, length = begins[row, start, label], 1
        spans, scores = [row.new_empty(0, 4)], [prefix.new_empty(0)]
        while len(row):
            onward = torch.zeros_like(prefix)
            inside = start + length < lengths[row]
            onward[inside] = self._next_probability(output, decoding, row[inside], start[inside], length, label[inside])
            probability = prefix * (1 - onward)
            enough = probability >= floor
            spans.append(torch.stack([row, start, start + length, label], dim=1)[enough])
            scores.append(probability[enough])
            prefix = prefix * onward
            alive = prefix >= floor
            row, start, label, prefix, length = row[alive], start[alive], label[alive], prefix[alive], length + 1
        return torch.cat(spans), torch.cat(scores)

    def _next_probability(
        self, output: HeadOutput, decoding: Decoding, row: Tensor, start: Tensor, length: int, label: Tensor
    ) -> Tensor:
        """Return the probability that spans of `length` tokens, after the tags that were found, have one token more.

        With length 0 that of their first token. start + length lies in the row.

        row, start, label (Tensor): shape (n_spans,).
        """
        found = self.tagging(output, decoding)
        asked = 1 + 2 * label + (length > 0)
        labels, place = found.labels[row].clone(), start + length
        columns = torch.arange(labels.shape[1], device=labels.device)
        if length:
            begin, inside = columns == start.unsqueeze(1) + 1, columns > start.unsqueeze(1) + 1
            labels = torch.where(begin, 1 + 2 * label.unsqueeze(1), labels)
            labels = torch.where(inside & (columns <= place.unsqueeze(1)), 2 + 2 * label.unsqueeze(1), labels)
        # Where these are the tags that were found the scores are there.
        known = ((labels == found.labels[row]) | (columns > place.unsqueeze(1))).all(dim=1)
        scores = found.scores[row, place]
        new = (~known).nonzero().squeeze(1)
        if len(new):
            width = int(place[new].max()) + 1
            prefix = labels[new, :width]
            features = self.window_features(
                output.tokens[row[new]],
                output.mask[row[new]],
                prefix,
                self.prefixes.forward_states(prefix),
                place[new].unsqueeze(1),
                torch.ones_like(place[new].unsqueeze(1), dtype=torch.bool),
            ).squeeze(1)
            scores[new] = self.token_scores(output.tokens[row[new], place[new]]) + self.feature_scores(features)
        allowed = None if decoding.allowed is None else decoding.allowed[row, place]
        before = labels.gather(1, place.unsqueeze(1)).squeeze(1)
        rules = Decoding(decoding.constrained, allowed, decoding.temperature)
        return tag_probabilities(self.crf, scores, before, rules).gather(1, asked.unsqueeze(1)).squeeze(1)

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Take in new tags; see `SequenceHead`."""
        super().grow(allowed_starts, allowed_transitions)
        if self.is_autoregressive:
            self.prefixes.grow(len(allowed_starts))
