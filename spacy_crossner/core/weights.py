"""The weights of a thinc layer, from thinc itself or from torch."""

from typing import Any, Iterator, Tuple

from thinc.api import Model, xp2torch
from torch import Tensor, nn

# The key of a weight in an optimizer: id of the layer or shim, name of the weight.
Key = Tuple[int, str]


def node_weights(node: Model[Any, Any]) -> Iterator[Tuple[str, Key, Tensor]]:
    """Yield the name of each weight and buffer of a layer, its key in an optimizer, and the tensor, which is no copy.

    Sublayers are not included.
    """
    for name in node.param_names:
        if node.has_param(name):
            yield name, (node.id, name), xp2torch(node.get_param(name))
    for i, shim in enumerate(node.shims):
        tensors = dict(shim._model.state_dict())
        if hasattr(shim, "_grad_scaler"):
            # The state of gradient scaling for mixed precision.
            tensors["scaler.scale"] = shim._grad_scaler._scale
            tensors["scaler.growth"] = shim._grad_scaler._growth_tracker
        for name, tensor in tensors.items():
            yield f"shim{i}/{name}", (shim.id, name), tensor


def node_parameters(node: Model[Any, Any]) -> Iterator[Tuple[str, Key, Tensor]]:
    """Yield the trainable weights among those of `node_weights`. Buffers are excluded: they may hold infinite values.

    Shims of libraries other than torch are skipped.
    """
    for name in node.param_names:
        if node.has_param(name):
            yield name, (node.id, name), xp2torch(node.get_param(name))
    for i, shim in enumerate(node.shims):
        if isinstance(shim._model, nn.Module):
            for name, parameter in shim._model.named_parameters():
                if parameter.requires_grad:
                    yield f"shim{i}/{name}", (shim.id, name), parameter.detach()
