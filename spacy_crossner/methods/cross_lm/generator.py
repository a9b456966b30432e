"""A BiLSTM whose weights are generated from a domain and a task (Jia et al., 2019, section 3.2)."""

from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from ...encoders.recurrent import run_bilstm

# The tasks, as their vectors are numbered.
NER, LANGUAGE_MODEL = 0, 1
N_TASKS = 2

# Domain and task.
Place = Tuple[int, int]


class GeneratedBiLSTM(nn.Module):
    """A BiLSTM of one layer with weights of its own for each domain and task.

    They are the contraction of one tensor with the vectors of both (Eq. 2), without bias and without non-linearity. The
    tensor is held `1 / scale` times as large: Adam moves each of its U * V weights behind a generated one by about the
    learning rate, and what is generated would move by sqrt(U * V) times as much.

    width (int): width of the token vectors.
    hidden (int): width of each direction.
    n_domains (int): domains.
    vector_width (int): width of the vectors, U and V of the equation.
    spread (float): how far the vectors of domains, and of tasks, are apart at first, and with them the weights: noise
        of this size on ones, then scaled to length 1. What they differ in beyond that is learned.
    use_domains (bool): whether domains have vectors; else all share one weight.
    use_tasks (bool): whether tasks have vectors.
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
        # Saved, so that what was trained at another scale is not taken for what fits.
        self.register_buffer("scale", torch.tensor((n_domain * n_task) ** -0.5))
        plain = nn.LSTM(width, hidden, bidirectional=True, device="meta")
        self.shapes = {name: weights.shape for name, weights in plain.named_parameters()}
        n_weights = sum(shape.numel() for shape in self.shapes.values())
        # shape: (weights, task, domain)
        self.meta = nn.Parameter(torch.empty(n_weights, n_task, n_domain))
        # Vectors of length 1, so that the generated weights are spread as those of torch's LSTM.
        bound = (n_domain * n_task / hidden) ** 0.5
        nn.init.uniform_(self.meta, -bound, bound)
        self.domains = nn.Parameter(_vectors(n_domains, n_domain, spread), requires_grad=use_domains)
        self.tasks = nn.Parameter(_vectors(N_TASKS, n_task, spread), requires_grad=use_tasks)
        self._cache: Dict[Place, Tuple[Tuple[int, ...], Dict[str, Tensor]]] = {}

    def forward(self, rows: Tensor, lengths: Tensor, weights: Dict[str, Tensor]) -> Tensor:
        """Encode docs with weights that were generated.

        rows (Tensor): token vectors, shape (n_docs, n_tokens, width).
        lengths (Tensor): tokens of each doc, 1 or more, on the CPU, shape (n_docs,).
        weights (Dict[str, Tensor]): the weights of their place, see `weights_of`.
        RETURNS (Tensor): shape (n_docs, n_tokens, 2 * hidden), 0 at padding.
        """
        each = list(weights.values())
        return run_bilstm([each[:4], each[4:]], rows, lengths)

    def weights_of(self, places: Sequence[Place]) -> List[Dict[str, Tensor]]:
        """Return the weights of the LSTM for each pair of a domain and a task, by torch's names.

        Without a gradient those of a place are generated once, and remembered until the weights change.
        """
        if torch.is_grad_enabled():
            return self._generate(places)
        return [self._remembered(place) for place in places]

    def _generate(self, places: Sequence[Place]) -> List[Dict[str, Tensor]]:
        domains, tasks = (list(part) for part in zip(*places, strict=True))
        # One product for all places: its gradient goes over the great tensor once, not once for each of them.
        pairs = torch.einsum("nu,nv->nuv", self.tasks[tasks], self.domains[domains])
        mixed = (self.scale * pairs.flatten(1)) @ self.meta.flatten(1).T
        sizes = [shape.numel() for shape in self.shapes.values()]
        return [
            {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), flat.split(sizes), strict=True)}
            for flat in mixed
        ]

    def _remembered(self, place: Place) -> Dict[str, Tensor]:
        """Return the same without a gradient, generated once."""
        parameters = (self.meta, self.domains, self.tasks)
        # What changes a parameter in its place raises its version; what puts another in, its address.
        state = tuple(n for weights in parameters for n in (_version(weights), weights.data_ptr()))
        known = self._cache.get(place)
        if known is None or known[0] != state:
            known = self._cache[place] = (state, self._generate([place])[0])
        return known[1]

    def forget(self) -> None:
        """Drop the weights that were generated for prediction."""
        self._cache.clear()

    def grow(self, n_domains: int) -> None:
        """Take in new domains; their vectors are the mean of those there are, as long as these are on average."""
        new = n_domains - len(self.domains)
        if new > 0:
            known = self.domains.detach()
            mean = known.mean(dim=0, keepdim=True)
            # A mean is shorter than what it is the mean of, and so would be the weights.
            mean = mean * known.norm(dim=1).mean() / mean.norm()
            self.domains = nn.Parameter(torch.cat([known, mean.expand(new, -1)]), requires_grad=self.use_domains)
        self.forget()

    def __deepcopy__(self, memo: Dict[int, object]) -> "GeneratedBiLSTM":
        """Return a copy that has generated nothing yet."""
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
    """Return how often a tensor was changed in its place; one of inference mode is not changed again."""
    return 0 if weights.is_inference() else weights._version


def _vectors(n: int, width: int, spread: float) -> Tensor:
    """Return vectors of length 1 that are alike but for some noise, shape (n, width); ones where they have width 1."""
    noise = spread * torch.randn(n, width) if width > 1 else 0.0
    return nn.functional.normalize(torch.ones(n, width) + noise)


class SampledSoftmax(nn.Module):
    """The output of a language model: a vector and a bias for each word, and a softmax over a word and some others.

    n_words (int): words. The last ones may be rare: the others are drawn by frequency.
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
        words (Tensor): the words to be found, shape (n,).
        n_samples (Optional[int]): draws of other words by frequency, shared by all states; what is drawn twice counts
            once. None for all words there are.
        correct (bool): take off the score of each word the log of its probability to be drawn (Jean et al., 2014), so
            that frequent words are not held down for being drawn often. With more draws it tends to the full softmax.
        """
        if n_samples is None:
            scores = states @ self.vectors.T + self.bias
            return nn.functional.cross_entropy(scores, words, reduction="none")
        others = torch.multinomial(self.counts, n_samples, replacement=True).unique()
        # Looked up together: a look-up's gradient is as large as the table.
        vectors = self.vectors[torch.cat([words, others])]
        found = (states * vectors[: len(words)]).sum(dim=1) + self.bias[words]
        scores = states @ vectors[len(words) :].T + self.bias[others]
        if correct:
            # log(1 - (1 - p)^n), which keeps its digits for small p.
            log_drawn = (-torch.expm1(n_samples * torch.log1p(-self.counts / self.counts.sum()))).log()
            found = found - log_drawn[words]
            scores = scores - log_drawn[others]
        # The word itself counts once, also where it was drawn.
        scores = scores.masked_fill(others == words.unsqueeze(1), -torch.inf)
        return torch.cat([found.unsqueeze(1), scores], dim=1).logsumexp(dim=1) - found


def language_model_pairs(states: Tensor, words: Tensor, mask: Tensor) -> List[Tuple[Tensor, Tensor]]:
    """Return which states are to find which words: the next from the forward state, the one before from the backward.

    states (Tensor): shape (n_docs, n_tokens, 2 * hidden).
    words (Tensor): word of each token, -1 for one that is not in the vocabulary, shape (n_docs, n_tokens).
    mask (Tensor): True at tokens, shape (n_docs, n_tokens).
    RETURNS (List[Tuple[Tensor, Tensor]]): states, shape (n, hidden), and words, shape (n,), of each direction.
    """
    hidden = states.shape[2] // 2
    # Both the one that finds and the one that is found are tokens: the second of them is.
    nexts, befores = ((part >= 0) & mask[:, 1:] for part in (words[:, 1:], words[:, :-1]))
    return [
        (states[:, :-1, :hidden][nexts], words[:, 1:][nexts]),
        (states[:, 1:, hidden:][befores], words[:, :-1][befores]),
    ]
