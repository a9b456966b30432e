"""The weights of a pipeline by stable names, which are the same in every process."""

from typing import Dict, Iterator, Optional, Sequence, Tuple

import torch
from spacy.language import Language
from thinc.api import Model, Optimizer
from torch import Tensor

from ..core.weights import Key, node_parameters, node_weights
from .optimizers import can_be_saved, optimizer_to_state


def nodes(nlp: Language, frozen: Sequence[str] = ()) -> Iterator[Tuple[str, Model]]:
    """Yield each layer of all components that are not frozen once, with a name."""
    seen = set()
    for name, pipe in nlp.components:
        model = None if name in frozen else getattr(pipe, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else []):
            if id(node) not in seen:
                seen.add(id(node))
                yield f"{name}/{i}", node


def parameters(nlp: Language) -> Dict[str, Tuple[Key, Tensor]]:
    """Return all weights and buffers by name: the optimizer's key and the tensor (not a copy)."""
    return {
        f"{prefix}/{name}": (key, tensor) for prefix, node in nodes(nlp) for name, key, tensor in node_weights(node)
    }


def first_not_finite(nlp: Language, optimizer: Optimizer, frozen: Sequence[str] = ()) -> Optional[str]:
    """Return the name of a weight or optimizer moment that is not finite; None if all are finite.

    A weight with infinite moments never changes again, and no loss shows it. Frozen components cannot diverge.

    nlp (Language): the pipeline.
    optimizer (Optimizer): the optimizer.
    frozen (Sequence[str]): the names of the frozen components.
    """
    learned = {
        f"{prefix}/{name}": (key, tensor)
        for prefix, node in nodes(nlp, frozen)
        for name, key, tensor in node_parameters(node)
    }
    tensors = {name: tensor for name, (_, tensor) in learned.items()}
    if can_be_saved(optimizer):
        _, moments = optimizer_to_state(optimizer, {key: name for name, (key, _) in learned.items()})
        tensors.update(moments)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return name
    return None
