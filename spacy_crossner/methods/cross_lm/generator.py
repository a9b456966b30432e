"""A BiLSTM whose weights are generated from a domain and a task (Jia et al., 2019, section 3.2)."""

from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ...encoders.recurrent import run_bilstm

# The tasks, as the indices of their vectors.
NER, LANGUAGE_MODEL = 0, 1
N_TASKS = 2

# The index of a domain and the index of a task.
DomainTask = Tuple[int, int]


class GeneratedBiLSTM(nn.Module):
    """A BiLSTM of one layer with its own weights for each domain and task.

    The weights are the contraction of one tensor with the vectors of domain and task (Eq. 2), without bias and without
    non-linearity. The tensor is stored `1 / scale` times as large. Each generated weight is a sum over U * V weights of
    the tensor, and Adam moves each of them by about the learning rate. Without the scale, the sum would move by
    sqrt(U * V) times as much.

    width (int): width of the token vectors.
    hidden (int): width of each direction.
    n_domains (int): number of domains.
    vector_width (int): width of the vectors, U and V of the equation.
    spread (float): initial distance between the vectors of domains, and of tasks, and so between the generated
        weights: noise of this size on ones, then scaled to length 1.
    use_domains (bool): use a vector for each domain. False: all domains share the weights.
    use_tasks (bool): use a vector for each task. False: both tasks share the weights.
    """

    scale: Tensor

    def __init__(
        self,
        width: int,
        hidden: int,
        n_domains: int,
        *,
        vector_width: int = 8,
        spread: float = 1.0,
        use_domains: bool = True,
        use_tasks: bool = True,
    ) -> None:
        super().__init__()
        self.use_domains = use_domains
        self.use_tasks = use_tasks
        n_domain, n_task = (vector_width if used else 1 for used in (use_domains, use_tasks))
        # Saved, so that weights trained at another scale are not loaded silently.
        self.register_buffer("scale", torch.tensor((n_domain * n_task) ** -0.5))
        plain = nn.LSTM(width, hidden, bidirectional=True, device="meta")
        self.shapes = {name: weights.shape for name, weights in plain.named_parameters()}
        n_weights = sum(shape.numel() for shape in self.shapes.values())
        # shape: (weights, task, domain)
        self.meta = nn.Parameter(torch.empty(n_weights, n_task, n_domain))
        # The vectors have length 1, so the generated weights have the variance of torch's LSTM.
        bound = (n_domain * n_task / hidden) ** 0.5
        nn.init.uniform_(self.meta, -bound, bound)
        self.domains = nn.Parameter(_vectors(n_domains, n_domain, spread), requires_grad=use_domains)
        self.tasks = nn.Parameter(_vectors(N_TASKS, n_task, spread), requires_grad=use_tasks)
        self._cache: Dict[DomainTask, Tuple[Tuple[int, ...], Dict[str, Tensor]]] = {}

    def forward(self, rows: Tensor, lengths: Tensor, weights: Dict[str, Tensor]) -> Tensor:
        """Encode docs with generated weights.

        rows (Tensor): token vectors, shape (n_docs, n_tokens, width).
        lengths (Tensor): tokens of each doc, 1 or more, on the CPU, shape (n_docs,).
        weights (Dict[str, Tensor]): the weights of their domain and task, see `weights_of`.
        RETURNS (Tensor): shape (n_docs, n_tokens, 2 * hidden), 0 at padding.
        """
        forward_and_backward = list(weights.values())
        return run_bilstm([forward_and_backward[:4], forward_and_backward[4:]], rows, lengths)

    def weights_of(self, pairs: Sequence[DomainTask]) -> List[Dict[str, Tensor]]:
        """Return the weights of the LSTM for each pair of a domain and a task, by torch's names.

        Without a gradient they are generated once, and cached until the parameters change.
        """
        if torch.is_grad_enabled():
            return self._generate(pairs)
        return [self._cached(pair) for pair in pairs]

    def _generate(self, pairs: Sequence[DomainTask]) -> List[Dict[str, Tensor]]:
        domains, tasks = (list(indices) for indices in zip(*pairs, strict=True))
        # One product for all pairs, so that the backward pass visits the large tensor once, not once for each pair.
        products = torch.einsum("nu,nv->nuv", self.tasks[tasks], self.domains[domains])
        generated = (self.scale * products.flatten(1)) @ self.meta.flatten(1).T
        sizes = [shape.numel() for shape in self.shapes.values()]
        return [
            {name: each.view(shape) for (name, shape), each in zip(self.shapes.items(), flat.split(sizes), strict=True)}
            for flat in generated
        ]

    def _cached(self, pair: DomainTask) -> Dict[str, Tensor]:
        """Return the weights of a pair without a gradient, from the cache if the parameters have not changed."""
        parameters = (self.meta, self.domains, self.tasks)
        # An in-place change raises a parameter's version; a new tensor in its place has another address.
        state = tuple(n for weights in parameters for n in (_version(weights), weights.data_ptr()))
        cached = self._cache.get(pair)
        if cached is None or cached[0] != state:
            cached = self._cache[pair] = (state, self._generate([pair])[0])
        return cached[1]

    def forget(self) -> None:
        """Clear the cache of generated weights."""
        self._cache.clear()

    def grow(self, n_domains: int) -> None:
        """Add new domains. Their vectors are the mean of the old vectors, scaled to the mean of the old lengths."""
        n_new = n_domains - len(self.domains)
        if n_new > 0:
            old = self.domains.detach()
            mean = old.mean(dim=0, keepdim=True)
            # The mean is shorter than the vectors. Unscaled, the generated weights would be smaller.
            mean = mean * old.norm(dim=1).mean() / mean.norm()
            self.domains = nn.Parameter(torch.cat([old, mean.expand(n_new, -1)]), requires_grad=self.use_domains)
        self.forget()

    def __deepcopy__(self, memo: Dict[int, object]) -> "GeneratedBiLSTM":
        """Return a copy with an empty cache."""
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        nn.Module.__init__(copied)
        for name in ("use_domains", "use_tasks", "shapes"):
            setattr(copied, name, getattr(self, name))
        copied._cache = {}
        copied.register_buffer("scale", self.scale.clone())
        for name, weights in self.named_parameters():
            setattr(copied, name, nn.Parameter(weights.detach().clone(), requires_grad=weights.requires_grad))
        copied.train(self.training)
        return copied


def _version(weights: Tensor) -> int:
    """Return the number of in-place changes of a tensor; 0 for a tensor of inference mode, which has none."""
    return 0 if weights.is_inference() else weights._version


def _vectors(n: int, width: int, spread: float) -> Tensor:
    """Return ones with noise, scaled to length 1, shape (n, width); all 1 if the width is 1."""
    noise = spread * torch.randn(n, width) if width > 1 else 0.0
    return nn.functional.normalize(torch.ones(n, width) + noise)


class SampledSoftmax(nn.Module):
    """The output layer of a language model: a softmax over the word to predict and some sampled words.

    It has a vector and a bias for each word. The component sets `counts`, the frequencies that words are drawn by.

    n_words (int): number of words.
    width (int): width of the states.
    """

    counts: Tensor

    def __init__(self, n_words: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(n_words, width))
        self.bias = nn.Parameter(torch.zeros(n_words))
        nn.init.uniform_(self.vectors, -(width**-0.5), width**-0.5)
        self.register_buffer("counts", torch.ones(n_words))

    def forward(self, states: Tensor, words: Tensor, n_samples: Optional[int], *, correct: bool) -> Tensor:
        """Return the negative log-likelihood of words (Eqs. 5 and 6), shape (n,).

        states (Tensor): shape (n, width).
        words (Tensor): the words to predict, shape (n,).
        n_samples (Optional[int]): number of draws of other words by frequency, with replacement, shared by all states;
            a word that is drawn twice counts once. None for the full softmax.
        correct (bool): subtract from the score of each word the log of its probability to be drawn (Jean et al., 2014).
            Without the correction, frequent words are drawn often and get scores that are too low. With it, the loss
            converges to the loss of the full softmax as the number of draws grows.
        """
        if n_samples is None:
            scores = states @ self.vectors.T + self.bias
            return nn.functional.cross_entropy(scores, words, reduction="none")
        others = torch.multinomial(self.counts, n_samples, replacement=True).unique()
        # One look-up for both, because the gradient of each look-up is as large as the table.
        vectors = self.vectors[torch.cat([words, others])]
        word_scores = (states * vectors[: len(words)]).sum(dim=1) + self.bias[words]
        other_scores = states @ vectors[len(words) :].T + self.bias[others]
        if correct:
            # log(1 - (1 - p)^n), exact for small p.
            log_drawn = (-torch.expm1(n_samples * torch.log1p(-self.counts / self.counts.sum()))).log()
            word_scores = word_scores - log_drawn[words]
            other_scores = other_scores - log_drawn[others]
        # The word to predict counts once, even if it was drawn.
        other_scores = other_scores.masked_fill(others == words.unsqueeze(1), -torch.inf)
        return torch.cat([word_scores.unsqueeze(1), other_scores], dim=1).logsumexp(dim=1) - word_scores


def language_model_pairs(states: Tensor, words: Tensor, mask: Tensor) -> List[Tuple[Tensor, Tensor]]:
    """Return states and the words that they predict: forward states the next word, backward states the word before.

    states (Tensor): shape (n_docs, n_tokens, 2 * hidden).
    words (Tensor): word of each token, -1 for a token that is not in the vocabulary, shape (n_docs, n_tokens).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    RETURNS (List[Tuple[Tensor, Tensor]]): states, shape (n, hidden), and words, shape (n,), of each direction.
    """
    hidden = states.shape[2] // 2
    # Two neighbours are both tokens if the second is a token, because padding comes last.
    nexts, befores = ((neighbours >= 0) & mask[:, 1:] for neighbours in (words[:, 1:], words[:, :-1]))
    return [
        (states[:, :-1, :hidden][nexts], words[:, 1:][nexts]),
        (states[:, 1:, hidden:][befores], words[:, :-1][befores]),
    ]
