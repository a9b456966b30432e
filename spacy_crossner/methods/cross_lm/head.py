"""The head of `param_gen_ner`: a generated BiLSTM, CRFs, and language models (Jia et al., 2019)."""

from dataclasses import replace
from typing import Iterator, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ...core.head import Decoding, HeadOutput, SequenceHead, pad_tokens
from ...core.linear import LinearTagger
from .generator import LANGUAGE_MODEL, NER, GeneratedBiLSTM, SampledSoftmax, language_model_pairs

# What `HeadOutput.extras` holds: states of the BiLSTM, domain and task of each row, the words of a language model.
STATES, DOMAINS, TASKS, WORDS = "states", "domains", "tasks", "words"


class GeneratedTagger(SequenceHead):
    """Tags the states of a BiLSTM that has weights of its own for each domain and task.

    In training a row without any annotation is for the language model of its domain, any other for tagging.

    width (int): width of the token vectors.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    n_domains (int): number of domains.
    n_words (int): number of words of the language models; 0 for no language model.
    hidden (int): width of each direction of the BiLSTM.
    vector_width (int): width of the vectors of domains and tasks.
    spread (float): initial distance between these vectors: noise of this size on ones, then scaled to length 1.
    use_domains (bool): weights by domain. False: the same for all (the paper's multi-task baselines).
    use_tasks (bool): weights by task. False: the same for both.
    share_output (bool): one output layer for all domains, as where the target has no labels. False: one for each.
    use_crf (bool): CRF, or a softmax for each token.
    """

    def __init__(
        self,
        width: int,
        allowed_starts: Tensor,
        allowed_transitions: Tensor,
        *,
        n_domains: int,
        n_words: int,
        hidden: int = 100,
        vector_width: int = 8,
        spread: float = 1.0,
        use_domains: bool = True,
        use_tasks: bool = True,
        share_output: bool = True,
        use_crf: bool = True,
    ) -> None:
        super().__init__()
        self.share_output = share_output
        self.use_crf = use_crf
        self.dropout = nn.Dropout(0.0)
        self.encoder = GeneratedBiLSTM(
            width,
            hidden,
            n_domains,
            vector_width=vector_width,
            spread=spread,
            use_domains=use_domains,
            use_tasks=use_tasks,
        )
        self.outputs = nn.ModuleList(
            LinearTagger(2 * hidden, allowed_starts, allowed_transitions, use_crf=use_crf)
            for _ in range(1 if share_output else n_domains)
        )
        self.words = SampledSoftmax(n_words, hidden) if n_words else None

    def forward(
        self,
        tokens: Tensor,
        mask: Tensor,
        tags: Optional[Tensor] = None,
        domains: Optional[Tensor] = None,
        words: Optional[Tensor] = None,
    ) -> HeadOutput:
        """Score the tags of each token; see `SequenceHead`.

        domains (Optional[Tensor]): domain of each row, shape (n_docs,); the first one if not given.
        words (Optional[Tensor]): in training the words of each token for the language model, -1 for none, shape
            (n_docs, n_tokens).
        RETURNS (HeadOutput): its `extras` are those named above.
        """
        padded = pad_tokens(tokens, mask)
        if domains is None:
            domains = torch.zeros(len(mask), dtype=torch.long, device=mask.device)
        tasks = torch.full_like(domains, NER)
        if tags is not None and words is not None:
            tasks[(tags < 0).all(dim=1)] = LANGUAGE_MODEL
        extras = {DOMAINS: domains, TASKS: tasks}
        extras[WORDS] = torch.full_like(mask, -1, dtype=torch.long) if words is None else words
        output = HeadOutput(emissions=padded, mask=mask, tokens=padded, extras=extras)
        return self._fill(output, padded)

    def rerun(self, output: HeadOutput, tokens: Tensor, tags: Tensor) -> HeadOutput:
        """Return the output for other token vectors in the same places; see `SequenceHead`."""
        padded = pad_tokens(tokens, output.mask)
        return self._fill(replace(output, tokens=padded, extras=dict(output.extras), memo={}), padded)

    def _fill(self, output: HeadOutput, padded: Tensor) -> HeadOutput:
        """Add states and emissions to an output."""
        lengths = output.mask.sum(dim=1).cpu()
        domains, tasks = output.extras[DOMAINS], output.extras[TASKS]
        inputs = self.dropout(padded)
        parts: List[Tuple[Tensor, Tensor]] = []
        places = [(domain, task) for domain, task in torch.stack([domains, tasks], dim=1).unique(dim=0).tolist()]
        for (domain, task), weights in zip(places, self.encoder.weights_of(places), strict=True):
            rows = ((domains == domain) & (tasks == task)).nonzero().squeeze(1)
            parts.append((rows, self.encoder(inputs[rows], lengths[rows.cpu()], weights)))
        output.extras[STATES] = _join(parts)
        states = self.dropout(output.extras[STATES])
        output.emissions = _join([(rows, tagger.output(states[rows])) for rows, tagger in self._taggers(output)])
        return output

    def _taggers(self, output: HeadOutput) -> Iterator[Tuple[Tensor, LinearTagger]]:
        """Yield rows and the output layer that is theirs."""
        domains = output.extras[DOMAINS]
        if self.share_output:
            yield torch.arange(len(domains), device=domains.device), self._tagger(0)
            return
        for domain in domains.unique().tolist():
            yield (domains == domain).nonzero().squeeze(1), self._tagger(domain)

    def _tagger(self, domain: int) -> LinearTagger:
        tagger = self.outputs[domain]
        assert isinstance(tagger, LinearTagger)
        return tagger

    def nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the negative log-likelihood per annotated token; see `SequenceHead`."""
        known = (tags >= 0).sum().clamp(min=1)
        sums = [
            tagger.nll(_part(output, rows), tags[rows]) * (tags[rows] >= 0).sum()
            for rows, tagger in self._taggers(output)
        ]
        return torch.stack(sums).sum() / known

    def language_model_nll(
        self, output: HeadOutput, rows: Tensor, n_samples: Optional[int], *, correct: bool
    ) -> Tensor:
        """Return the loss of the language models (Eq. 8) as the mean over the words to be found in both directions.

        rows (Tensor): which rows count, bool, shape (n_docs,); those for tagging never do.
        n_samples (Optional[int]): see `SampledSoftmax`.
        correct (bool): see there.
        """
        rows = rows & (output.extras[TASKS] == LANGUAGE_MODEL)
        losses = [0.0 * output.extras[STATES].sum().unsqueeze(0)]
        n_found = 0
        if self.words is not None:
            text = (output.extras[STATES][rows], output.extras[WORDS][rows], output.mask[rows])
            for states, words in language_model_pairs(*text):
                losses.append(self.words(self.dropout(states), words, n_samples, correct=correct))
                n_found += len(words)
        return torch.cat(losses).sum() / max(1, n_found)

    def log_probabilities(self, output: HeadOutput) -> Tensor:
        """Return the log-probability of each tag at each token; see `SequenceHead`."""
        return _join([(rows, tagger.log_probabilities(_part(output, rows))) for rows, tagger in self._taggers(output)])

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the best tag indices; see `SequenceHead`."""
        return _join(
            [
                (rows, tagger.decode(_part(output, rows), _decoding_of(decoding, rows)))
                for rows, tagger in self._taggers(output)
            ]
        )

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return the exact probability of spans under their CRF; see `SequenceHead`."""
        found = output.emissions.new_zeros(len(spans), dtype=torch.float64)
        for rows, tagger in self._taggers(output):
            place = torch.full_like(output.extras[DOMAINS], -1)
            place[rows] = torch.arange(len(rows), device=rows.device)
            here = place[spans[:, 0]] >= 0
            if here.any():
                own = torch.cat([place[spans[here, 0]].unsqueeze(1), spans[here, 1:]], dim=1)
                part = tagger.span_probabilities(_part(output, rows), own, _decoding_of(decoding, rows))
                found[here] = part.to(found.dtype)
        return found

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead`."""
        spans, found = [], []
        for rows, tagger in self._taggers(output):
            own, scores = tagger.candidates(_part(output, rows), floor, _decoding_of(decoding, rows))
            spans.append(torch.cat([rows[own[:, 0]].unsqueeze(1), own[:, 1:]], dim=1))
            found.append(scores)
        return torch.cat(spans), torch.cat(found)

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Take in new tags; see `SequenceHead`."""
        for i in range(len(self.outputs)):
            self._tagger(i).grow(allowed_starts, allowed_transitions)

    def grow_domains(self, n_domains: int) -> None:
        """Take in new domains: vectors, and output layers where each domain has one, which begin as the first one."""
        self.encoder.grow(n_domains)
        if not self.share_output:
            state = self.outputs[0].state_dict()
            first = self._tagger(0)
            constraints = first.crf.forbidden_starts == 0, first.crf.forbidden_transitions == 0
            while len(self.outputs) < n_domains:
                tagger = LinearTagger(first.output.in_features, *constraints, use_crf=self.use_crf)
                tagger.to(first.output.weight).load_state_dict(state)
                self.outputs.append(tagger)
            # New layers are in training mode, whatever the others are in.
            self.train(self.training)


def _part(output: HeadOutput, rows: Tensor) -> HeadOutput:
    """Return some rows of an output for its output layer."""
    if len(rows) == len(output.mask):
        return output
    return HeadOutput(emissions=output.emissions[rows], mask=output.mask[rows], tokens=output.tokens[rows])


def _decoding_of(decoding: Decoding, rows: Tensor) -> Decoding:
    if decoding.allowed is None or len(rows) == len(decoding.allowed):
        return decoding
    return replace(decoding, allowed=decoding.allowed[rows])


def _join(parts: List[Tuple[Tensor, Tensor]]) -> Tensor:
    """Return values in the order of their rows; each row is in one part."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([values for _, values in parts])[order]
