"""Virtual adversarial training (Miyato et al., 2018), on token vectors."""

import torch
from torch import Tensor, nn

from ...core.losses import LossInputs, LossTerm
from ...errors import CrossnerError, Errors


class VirtualAdversarial(LossTerm):
    """Divergence of the tag distributions when token vectors are perturbed in the direction of largest divergence.

    It needs no annotation. The head is run again on the perturbed vectors, and the gradient reaches head and encoder.

    radius (float): length of the perturbation of a token vector, in units of the mean norm of the token vectors of the
        batch.
    probe (float): length of the small perturbation that finds the direction, in the same units.
    steps (int): number of power iterations; the authors use one.
    weight (float): factor in the sum of the terms.
    """

    def __init__(self, radius: float = 0.1, probe: float = 1e-2, steps: int = 1, weight: float = 1.0) -> None:
        super().__init__(weight)
        if radius <= 0 or probe <= 0 or steps < 1:
            raise CrossnerError(Errors.C043.format(radius=radius, probe=probe, steps=steps))
        self.radius = radius
        self.probe = probe
        self.steps = steps

    def __call__(self, inputs: LossInputs) -> Tensor:
        """Return the mean divergence over the tokens, a scalar."""
        head, mask = inputs.head, inputs.output.mask
        tokens = inputs.output.tokens[mask]
        was_training = head.training
        # Without dropout, so that only the vectors differ.
        head.eval()
        for module in head.modules():
            # cuDNN computes gradients only of RNNs that ran in training mode.
            if isinstance(module, nn.RNNBase) and not module.dropout:
                module.train()
        try:
            reference = self._distributions(inputs, tokens)
            with torch.no_grad():
                length = tokens.norm(dim=1).mean()
            move = torch.randn_like(tokens)
            for _ in range(self.steps):
                move = (self.probe * length * _unit(move)).requires_grad_()
                moved = self._distributions(inputs, tokens.detach() + move)
                move = torch.autograd.grad(_divergence(reference.detach(), moved), move)[0]
            moved = self._distributions(inputs, tokens + self.radius * length * _unit(move))
        finally:
            head.train(was_training)
        return _divergence(reference.detach(), moved)

    def _distributions(self, inputs: LossInputs, tokens: Tensor) -> Tensor:
        """Return the log-probability of each tag at each token, shape (n_tokens_in_all, n_tags)."""
        output = inputs.head.rerun(inputs.output, tokens, inputs.tags)
        return inputs.head.log_probabilities(output)[inputs.output.mask]


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=torch.finfo(rows.dtype).tiny)


def _divergence(reference: Tensor, moved: Tensor) -> Tensor:
    """Return the mean over tokens of the Kullback-Leibler divergence.

    reference, moved (Tensor): log-probabilities, shape (n_tokens, n_tags).
    """
    return (reference.exp() * (reference - moved)).sum(dim=1).mean()
