"""The head of `param_gen_ner`: a generated BiLSTM, CRFs, and language models (Jia et al., 2019)."""

from dataclasses import replace
from typing import Dict, Iterator, List, Optional, Tuple

import torch
from torch import Tensor, nn

from ...core.head import Decoding, HeadOutput, SequenceHead, pad_tokens
from ...core.linear import LinearTagger
from .generator import LANGUAGE_MODEL, NER, GeneratedBiLSTM, SampledSoftmax, language_model_pairs

# Names in `HeadOutput.extras`: the states of the BiLSTM, domain and task of each row, the words of a language model.
STATES, DOMAINS, TASKS, WORDS = "states", "domains", "tasks", "words"

# Indices of rows of a batch, and the values of these rows.
RowValues = Tuple[Tensor, Tensor]


class GeneratedTagger(SequenceHead):
    """Tags the states of a BiLSTM that has its own weights for each domain and task.

    In training, a row without any annotation is text for the language model of its domain; other rows are for tagging.

    width (int): width of the token vectors.
    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which tag may follow which, shape (n_tags, n_tags).
    n_domains (int): number of domains.
    n_words (int): number of words of the language models; 0 for no language model.
    hidden (int): width of each direction of the BiLSTM.
    vector_width (int): width of the vectors of domains and tasks.
    spread (float): initial distance between these vectors: noise of this size on ones, then scaled to length 1.
    use_domains (bool): weights by domain. False: the same weights for all domains (the paper's multi-task baselines).
    use_tasks (bool): weights by task. False: the same weights for both tasks.
    share_output (bool): one output layer for all domains, as in the paper for a target without labels. False: one
        output layer for each domain.
    use_crf (bool): True for a CRF, False for a softmax for each token.
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

        domains (Optional[Tensor]): the domain of each row, shape (n_docs,); the first domain if not given.
        words (Optional[Tensor]): in training the word of each token for the language model, -1 for none, shape
            (n_docs, n_tokens).
        RETURNS (HeadOutput): its `extras` are those named above.
        """
        if domains is None:
            domains = torch.zeros(len(mask), dtype=torch.long, device=mask.device)
        tasks = torch.full_like(domains, NER)
        if tags is not None and words is not None:
            tasks[(tags < 0).all(dim=1)] = LANGUAGE_MODEL
        if words is None:
            words = torch.full_like(mask, -1, dtype=torch.long)
        return self._run(tokens, mask, {DOMAINS: domains, TASKS: tasks, WORDS: words})

    def rerun(self, output: HeadOutput, tokens: Tensor, tags: Tensor) -> HeadOutput:
        """Run the head on other token vectors, with the domain and the task of each row as before."""
        return self._run(tokens, output.mask, output.extras)

    def _run(self, tokens: Tensor, mask: Tensor, rows: Dict[str, Tensor]) -> HeadOutput:
        """Run BiLSTM and output layers.

        tokens (Tensor): the vectors of all tokens of all docs in order, shape (n_tokens_in_all, width).
        mask (Tensor): True at tokens, shape (n_docs, n_tokens).
        rows (Dict[str, Tensor]): domains, tasks and words, by their names in `extras`.
        """
        padded = pad_tokens(tokens, mask)
        lengths = mask.sum(dim=1).cpu()
        domains, tasks = rows[DOMAINS], rows[TASKS]
        inputs = self.dropout(padded)
        encoded: List[RowValues] = []
        pairs = [(domain, task) for domain, task in torch.stack([domains, tasks], dim=1).unique(dim=0).tolist()]
        for (domain, task), weights in zip(pairs, self.encoder.weights_of(pairs), strict=True):
            of_pair = ((domains == domain) & (tasks == task)).nonzero().squeeze(1)
            encoded.append((of_pair, self.encoder(inputs[of_pair], lengths[of_pair.cpu()], weights)))
        states = merge_rows(encoded)
        dropped = self.dropout(states)
        emissions = merge_rows([(some, tagger.output(dropped[some])) for some, tagger in self._taggers(domains)])
        return HeadOutput(emissions=emissions, mask=mask, vectors=padded, extras={**rows, STATES: states})

    def _taggers(self, domains: Tensor) -> Iterator[Tuple[Tensor, LinearTagger]]:
        """Yield row indices and the output layer of these rows.

        domains (Tensor): the domain of each row, shape (n_docs,).
        """
        if self.share_output:
            yield torch.arange(len(domains), device=domains.device), self._tagger(0)
            return
        for domain in domains.unique().tolist():
            yield (domains == domain).nonzero().squeeze(1), self._tagger(domain)

    def _tagger(self, domain: int) -> LinearTagger:
        tagger = self.outputs[domain]
        assert isinstance(tagger, LinearTagger)
        return tagger

    def _outputs(self, output: HeadOutput) -> Iterator[Tuple[Tensor, LinearTagger, HeadOutput]]:
        """Yield row indices, the output layer of these rows, and their part of the output."""
        for rows, tagger in self._taggers(output.extras[DOMAINS]):
            yield rows, tagger, select_rows(output, rows)

    def nll(self, output: HeadOutput, tags: Tensor) -> Tensor:
        """Return the negative log-likelihood per annotated token; see `SequenceHead`."""
        n_known = (tags >= 0).sum().clamp(min=1)
        sums = [tagger.nll(some, tags[rows]) * (tags[rows] >= 0).sum() for rows, tagger, some in self._outputs(output)]
        return torch.stack(sums).sum() / n_known

    def language_model_nll(
        self, output: HeadOutput, rows: Tensor, n_samples: Optional[int], *, correct: bool
    ) -> Tensor:
        """Return the loss of the language models (Eq. 8), the mean over the words to predict in both directions.

        rows (Tensor): which rows to use, bool, shape (n_docs,); rows for tagging are always ignored.
        n_samples (Optional[int]): see `SampledSoftmax`.
        correct (bool): see `SampledSoftmax`.
        """
        rows = rows & (output.extras[TASKS] == LANGUAGE_MODEL)
        losses = [0.0 * output.extras[STATES].sum().unsqueeze(0)]
        n_words = 0
        if self.words is not None:
            text = (output.extras[STATES][rows], output.extras[WORDS][rows], output.mask[rows])
            for states, words in language_model_pairs(*text):
                losses.append(self.words(self.dropout(states), words, n_samples, correct=correct))
                n_words += len(words)
        return torch.cat(losses).sum() / max(1, n_words)

    def log_probabilities(self, output: HeadOutput) -> Tensor:
        """Return the log-probability of each tag at each token; see `SequenceHead`."""
        return merge_rows([(rows, tagger.log_probabilities(some)) for rows, tagger, some in self._outputs(output)])

    def decode(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the best tag indices; see `SequenceHead`."""
        paths = [
            (rows, tagger.decode(some, select_allowed(decoding, rows))) for rows, tagger, some in self._outputs(output)
        ]
        return merge_rows(paths)

    def span_probabilities(self, output: HeadOutput, spans: Tensor, decoding: Decoding) -> Tensor:
        """Return the exact probability of spans under their CRF; see `SequenceHead`."""
        probabilities = output.emissions.new_zeros(len(spans), dtype=torch.float64)
        for rows, tagger, some in self._outputs(output):
            # The index of each row among the rows of the output layer, -1 for all other rows.
            index = torch.full_like(output.extras[DOMAINS], -1)
            index[rows] = torch.arange(len(rows), device=rows.device)
            here = index[spans[:, 0]] >= 0
            if here.any():
                own_spans = torch.cat([index[spans[here, 0]].unsqueeze(1), spans[here, 1:]], dim=1)
                values = tagger.span_probabilities(some, own_spans, select_allowed(decoding, rows))
                probabilities[here] = values.to(probabilities.dtype)
        return probabilities

    def candidates(self, output: HeadOutput, floor: float, decoding: Decoding) -> Tuple[Tensor, Tensor]:
        """Return the spans with a probability of at least `floor`; see `SequenceHead`."""
        spans, probabilities = [], []
        for rows, tagger, some in self._outputs(output):
            own_spans, values = tagger.candidates(some, floor, select_allowed(decoding, rows))
            spans.append(torch.cat([rows[own_spans[:, 0]].unsqueeze(1), own_spans[:, 1:]], dim=1))
            probabilities.append(values)
        return torch.cat(spans), torch.cat(probabilities)

    def tag_probabilities(self, output: HeadOutput, decoding: Decoding) -> Tensor:
        """Return the marginals of the CRFs; see `SequenceHead`."""
        n_tokens = output.mask.shape[1]
        parts = []
        for rows, tagger, some in self._outputs(output):
            found = tagger.tag_probabilities(some, select_allowed(decoding, rows))
            # The rows of one output layer may all be shorter than the longest row.
            parts.append((rows, nn.functional.pad(found, (0, 0, 0, n_tokens - found.shape[1]))))
        return merge_rows(parts)

    def grow(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        """Add new tags; see `SequenceHead`."""
        for i in range(len(self.outputs)):
            self._tagger(i).grow(allowed_starts, allowed_transitions)

    def grow_domains(self, n_domains: int) -> None:
        """Add new domains: their vectors and, with an output layer for each domain, copies of the first layer."""
        self.encoder.grow(n_domains)
        if not self.share_output:
            state = self.outputs[0].state_dict()
            first = self._tagger(0)
            constraints = first.crf.forbidden_starts == 0, first.crf.forbidden_transitions == 0
            while len(self.outputs) < n_domains:
                tagger = LinearTagger(first.output.in_features, *constraints, use_crf=self.use_crf)
                tagger.to(first.output.weight).load_state_dict(state)
                self.outputs.append(tagger)
            # New layers start in training mode. Give them the mode of the module.
            self.train(self.training)


def select_rows(output: HeadOutput, rows: Tensor) -> HeadOutput:
    """Return the part of an output for the rows of one output layer."""
    if len(rows) == len(output.mask):
        return output
    return HeadOutput(emissions=output.emissions[rows], mask=output.mask[rows], vectors=output.tokens[rows])


def select_allowed(decoding: Decoding, rows: Tensor) -> Decoding:
    """Return the decoding rules for the rows of one output layer."""
    if decoding.allowed is None or len(rows) == len(decoding.allowed):
        return decoding
    return replace(decoding, allowed=decoding.allowed[rows])


def merge_rows(parts: List[RowValues]) -> Tensor:
    """Return the values of all rows in order; each row is in one part."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([values for _, values in parts])[order]
