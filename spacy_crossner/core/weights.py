"""The weights of a thinc layer, whichever library they belong to."""

from typing import Any, Iterator, Tuple

from thinc.api import Model, xp2torch
from torch import Tensor, nn

# What an optimizer knows a weight by.
Key = Tuple[int, str]


def node_weights(node: Model[Any, Any]) -> Iterator[Tuple[str, Key, Tensor]]:
    """Yield the name of each weight and buffer of a layer, the optimizer's key, and the tensor in its own memory.

    The layers below it are not looked at.
    """
    for name in node.param_names:
        if node.has_param(name):
            yield name, (node.id, name), xp2torch(node.get_param(name))
    for i, shim in enumerate(node.shims):
        tensors = dict(shim._model.state_dict())
        if hasattr(shim, "_grad_scaler"):
            # Of half precision.
            tensors["scaler.scale"] = shim._grad_scaler._scale
            tensors["scaler.growth"] = shim._grad_scaler._growth_tracker
        for name, tensor in tensors.items():
            yield f"shim{i}/{name}", (shim.id, name), tensor


def node_parameters(node: Model[Any, Any]) -> Iterator[Tuple[str, Key, Tensor]]:
    """Yield of what `node_weights` yields that which learns: no buffers, which may well hold infinite numbers.

    Shims of other libraries than torch are passed over.
    """
    for name in node.param_names:
        if node.has_param(name):
            yield name, (node.id, name), xp2torch(node.get_param(name))
    for i, shim in enumerate(node.shims):
        if isinstance(shim._model, nn.Module):
            for name, parameter in shim._model.named_parameters():
                if parameter.requires_grad:
                    yield f"shim{i}/{name}", (shim.id, name), parameter.detach()
