"""Conditional random field with batched decoding under hard BIO constraints."""

from typing import Optional, Tuple

import torch
import torchcrf
from torch import Tensor

from .lattice import Lattice, build_lattice
from .path_spans import path_span_probabilities
from .rows import Rows, pack_rows
from .scan import scan_span_probabilities, scan_viterbi
from .viterbi import viterbi

# Score of a forbidden transition, instead of minus infinity: far below any real score, and small enough to keep sums in
# float32 precise.
FORBIDDEN = -1e6


class BioCRF(torchcrf.CRF):
    """Linear-chain CRF with the parameters and the likelihood of pytorch-crf, and BIO-constrained decoding.

    allowed_starts (Tensor): which tags may begin a sequence, shape (n_tags,).
    allowed_transitions (Tensor): which transitions are allowed, row = from, column = to, shape (n_tags, n_tags).
    """

    forbidden_starts: Tensor
    forbidden_transitions: Tensor

    def __init__(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> None:
        super().__init__(len(allowed_starts), batch_first=True)
        # Whether the transitions are used. A frozen CRF uses transitions that are not trained.
        self.has_transitions = True
        # Not saved with the state, because they follow from the labels.
        self.register_buffer("forbidden_starts", torch.where(allowed_starts, 0.0, FORBIDDEN), persistent=False)
        self.register_buffer(
            "forbidden_transitions", torch.where(allowed_transitions, 0.0, FORBIDDEN), persistent=False
        )

    def best_paths(
        self, emissions: Tensor, mask: Tensor, constrained: bool = True, allowed: Optional[Tensor] = None
    ) -> Tensor:
        """Return the tag indices of the best path of every row, 0 at padding, shape (n_docs, n_tokens); see `viterbi`.

        constrained (bool): legal BIO paths only. The likelihood always covers all paths.
        allowed (Optional[Tensor]): which tags each token may take, bool, shape (n_docs, n_tokens, n_tags). A row
            without an allowed path gets a path with as few violations as possible.
        """
        if emissions.device.type != "cpu":
            return self.scan_paths(emissions, mask, constrained, allowed)
        rows = pack_rows(emissions, mask)
        return rows.restore(self._best_paths(rows, constrained, allowed), mask.shape[1])

    def scan_paths(
        self, emissions: Tensor, mask: Tensor, constrained: bool = True, allowed: Optional[Tensor] = None
    ) -> Tensor:
        """Return what `best_paths` returns, by scans: few operations, many computations. See `scan_viterbi`."""
        start, transitions = self._penalized(constrained)
        if allowed is not None:
            emissions = emissions + torch.where(allowed, 0.0, FORBIDDEN)
        return scan_viterbi(emissions, mask, start, transitions, self.end_transitions)

    def _penalized(self, constrained: bool) -> Tuple[Tensor, Tensor]:
        if not constrained:
            return self.start_transitions, self.transitions
        return self.start_transitions + self.forbidden_starts, self.transitions + self.forbidden_transitions

    def _best_paths(self, rows: Rows, constrained: bool, allowed: Optional[Tensor]) -> Tensor:
        # See `viterbi` for the result, and `best_paths` for the arguments.
        (start, transitions), end = self._penalized(constrained), self.end_transitions
        if allowed is None:
            return viterbi(rows, start, transitions, end, bio=constrained)
        allowed = rows.gather(allowed)
        rows = rows._replace(tokens=rows.tokens + torch.where(allowed, 0.0, FORBIDDEN))
        paths = viterbi(rows, start, transitions, end, bio=constrained)
        if constrained:
            # A row without an allowed path is decoded again: then steps to I-X from other tags count as violations.
            violation = ~allowed.gather(0, paths.unsqueeze(0)).squeeze(0)
            n_rows = rows.active[0]
            violation[:n_rows] |= self.forbidden_starts[paths[:n_rows]] < 0
            broken = rows.has(violation)
            if broken.any():
                paths[rows.of_rows(broken)] = viterbi(rows.select(broken), start, transitions, end)
        return paths

    @torch.no_grad()
    def best_spans(
        self,
        emissions: Tensor,
        mask: Tensor,
        *,
        constrained: bool = True,
        temperature: float = 1.0,
        allowed: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Tensor]:
        """Return the best path of every row, and the probabilities of its entities.

        The arguments are those of `lattice`.

        RETURNS (Tuple[Tensor, Tensor]): the paths, see `best_paths`, and the probabilities, float64, at the first token
            of each entity, 0 at all other tokens, see `path_span_probabilities`; both of shape (n_docs, n_tokens). On a
            device other than the CPU, see `scan_spans`.
        """
        if emissions.device.type != "cpu":
            return self.scan_spans(emissions, mask, constrained=constrained, temperature=temperature, allowed=allowed)
        rows = pack_rows(emissions, mask)
        paths = self._best_paths(rows, constrained, allowed)
        tokens = _tempered(rows.tokens, temperature, None if allowed is None else rows.gather(allowed))
        scores = self._tempered_steps(constrained, temperature)
        probabilities = path_span_probabilities(rows._replace(tokens=tokens), *scores, paths, mask)
        return rows.restore(paths, mask.shape[1]), probabilities

    def scan_spans(
        self,
        emissions: Tensor,
        mask: Tensor,
        *,
        constrained: bool = True,
        temperature: float = 1.0,
        allowed: Optional[Tensor] = None,
    ) -> Tuple[Tensor, Tensor]:
        """Return what `best_spans` returns, by scans, which never wait for the device; see `scan_span_probabilities`.

        A probability is nan in a row with an underflow. `lattice` gives it.
        """
        paths = self.scan_paths(emissions, mask, constrained, allowed)
        emissions = _tempered(emissions.double(), temperature, allowed)
        return paths, scan_span_probabilities(emissions, mask, *self._tempered_steps(constrained, temperature), paths)

    @torch.no_grad()
    def lattice(
        self,
        emissions: Tensor,
        mask: Tensor,
        *,
        constrained: bool = True,
        temperature: float = 1.0,
        allowed: Optional[Tensor] = None,
    ) -> Lattice:
        """Return the distribution over the paths of every row, without a gradient.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        mask (Tensor): True at tokens, which come before the padding, shape (n_docs, n_tokens).
        constrained (bool): legal BIO paths only; all other paths have probability 0.
        temperature (float): divisor of all scores, above 0. A temperature above 1 gives a flatter distribution.
        allowed (Optional[Tensor]): which tags each token may take, bool, shape (n_docs, n_tokens, n_tags). In a row
            without an allowed path, every probability is 0.
        """
        rows = pack_rows(_tempered(emissions.double(), temperature, allowed), mask)
        return build_lattice(rows, *self._tempered_steps(constrained, temperature), mask.shape[1])

    def _tempered_steps(self, constrained: bool, temperature: float) -> Tuple[Tensor, Tensor, Tensor]:
        # The scores of starts, transitions and ends, float64, -inf where they are forbidden.
        scores = (self.start_transitions, self.transitions, self.end_transitions)
        start, transitions, end = (score.double() / temperature for score in scores)
        if constrained:
            start = start.masked_fill(self.forbidden_starts < 0, -torch.inf)
            transitions = transitions.masked_fill(self.forbidden_transitions < 0, -torch.inf)
        return start, transitions, end

    def log_likelihood(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """Return the log-likelihood of the known tags of each row.

        If all tags are known, this is the likelihood of pytorch-crf. Unknown tags are marginalized out. Their emissions
        are treated as constants, so that a token without annotation gets no gradient.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        tags (Tensor): tag indices, -1 where unknown, shape (n_docs, n_tokens).
        mask (Tensor): True at tokens, shape (n_docs, n_tokens).
        RETURNS (Tensor): shape (n_docs,).
        """
        unknown = (tags < 0) & mask
        if not unknown.any():
            return self(emissions, tags.clamp(min=0), mask=mask, reduction="none")
        emissions = torch.where(unknown.unsqueeze(2), emissions.detach(), emissions)
        wrong = torch.ones_like(emissions, dtype=torch.bool).scatter_(2, tags.clamp(min=0).unsqueeze(2), False)
        wrong &= ~unknown.unsqueeze(2)
        observed = emissions.masked_fill(wrong, FORBIDDEN)
        rows = mask.transpose(0, 1)
        return self._compute_normalizer(observed.transpose(0, 1), rows) - self._compute_normalizer(
            emissions.transpose(0, 1), rows
        )

    def log_marginals(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """Return the log-marginal of each tag at each token over all paths, with a gradient.

        The distribution is the one of `log_likelihood`. For legal paths only, without a gradient, see `lattice`.

        emissions (Tensor): shape (n_docs, n_tokens, n_tags).
        mask (Tensor): True at tokens, which come before the padding; every row has a token. Shape (n_docs, n_tokens).
        RETURNS (Tensor): shape of `emissions`; values at padding have no meaning.
        """
        scores, inside = emissions.transpose(0, 1).unbind(), mask.T.unsqueeze(2).unbind()
        forward = [self.start_transitions + scores[0]]
        for score in scores[1:]:
            forward.append((forward[-1].unsqueeze(2) + self.transitions).logsumexp(dim=1) + score)
        backward = [self.end_transitions.expand_as(scores[0])]
        for score, is_token in zip(reversed(scores[1:]), reversed(inside[1:]), strict=True):
            onward = (self.transitions + (score + backward[-1]).unsqueeze(1)).logsumexp(dim=2)
            # A row ends where the next token is padding.
            backward.append(torch.where(is_token, onward, self.end_transitions))
        return (torch.stack(forward, dim=1) + torch.stack(backward[::-1], dim=1)).log_softmax(dim=2)

    def grown(self, allowed_starts: Tensor, allowed_transitions: Tensor) -> "BioCRF":
        """Return a CRF with more tags, which keeps all scores of the old tags."""
        crf = BioCRF(allowed_starts, allowed_transitions).to(self.transitions)
        n = self.num_tags
        with torch.no_grad():
            crf.start_transitions[:n] = self.start_transitions
            crf.end_transitions[:n] = self.end_transitions
            crf.transitions[:n, :n] = self.transitions
        return crf

    @torch.no_grad()
    def start_new_tags(self, n_old: int) -> None:
        """Set the scores of new tags to the mean of the old tags' scores of the same kind.

        The kind of a transition: its prefixes (O, B or I), and whether it stays in one label. The kind of a start or an
        end: its prefix. The scores of a kind that no old tag has stay as they are.

        n_old (int): the number of old tags, which come first and keep all scores between them.
        """
        tags = torch.arange(self.num_tags, device=self.transitions.device)
        # 0 for O, 1 for B, 2 for I.
        prefixes, labels = torch.where(tags > 0, 2 - tags % 2, 0), (tags + 1) // 2
        steps = 2 * (3 * prefixes.unsqueeze(1) + prefixes) + (labels.unsqueeze(1) == labels)
        is_old = tags < n_old
        for scores, kinds, old in (
            (self.start_transitions, prefixes, is_old),
            (self.end_transitions, prefixes, is_old),
            (self.transitions, steps, is_old.unsqueeze(1) & is_old),
        ):
            for kind in kinds[~old].unique().tolist():
                known = scores[(kinds == kind) & old]
                if len(known):
                    scores[(kinds == kind) & ~old] = known.mean()


def _tempered(emissions: Tensor, temperature: float, allowed: Optional[Tensor]) -> Tensor:
    # The emissions divided by the temperature, -inf where they are not allowed; of the same shape.
    emissions = emissions if temperature == 1.0 else emissions / temperature
    return emissions if allowed is None else emissions.masked_fill(~allowed, -torch.inf)
