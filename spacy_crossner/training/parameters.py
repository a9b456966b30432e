"""The weights of a pipeline in training, by names that are the same in every process."""

from typing import Dict, Iterator, Optional, Sequence, Tuple

import torch
from spacy.language import Language
from thinc.api import Model, Optimizer
from torch import Tensor

from ..core.weights import Key, node_parameters, node_weights
from .optimizers import can_be_saved, optimizer_to_state


def nodes(nlp: Language, frozen: Sequence[str] = ()) -> Iterator[Tuple[str, Model]]:
    """Yield all layers of all components but the frozen ones, each once, with its name."""
    seen = set()
    for name, pipe in nlp.components:
        model = None if name in frozen else getattr(pipe, "model", None)
        for i, node in enumerate(model.walk() if isinstance(model, Model) else []):
            if id(node) not in seen:
                seen.add(id(node))
                yield f"{name}/{i}", node


def parameters(nlp: Language) -> Dict[str, Tuple[Key, Tensor]]:
    """Return the optimizer's key and the tensor, in its own memory, of all weights and buffers by name."""
    return {
        f"{prefix}/{name}": (key, tensor) for prefix, node in nodes(nlp) for name, key, tensor in node_weights(node)
    }


def first_not_finite(nlp: Language, optimizer: Optimizer, frozen: Sequence[str] = ()) -> Optional[str]:
    """Return which weight, or which moment of the optimizer, holds a value that is no finite number; None if none.

    With infinite moments a weight stays where it is for good, and no loss says so. Only what learns can diverge.

    nlp (Language): the pipeline.
    optimizer (Optimizer): its optimizer.
    frozen (Sequence[str]): the components that do not learn.
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
