"""Results on their way from the device to the host: one copy for a chunk, awaited only when it is read."""

from typing import Any, Callable, Dict

import torch
from numpy.typing import NDArray
from torch import Tensor

# Returns the results as arrays, by name.
Fetch = Callable[[], Dict[str, NDArray[Any]]]


def begin_fetch(results: Dict[str, Tensor]) -> Fetch:
    """Begin to copy tensors to the host.

    results (Dict[str, Tensor]): the tensors by name, all on one device.
    RETURNS (Fetch): waits for the copies, and returns them. On a CPU there is nothing to copy.
    """
    if not any(tensor.is_cuda for tensor in results.values()):
        return lambda: {name: tensor.numpy() for name, tensor in results.items()}
    copies = {name: tensor.to("cpu", non_blocking=True) for name, tensor in results.items()}
    done = torch.cuda.Event()
    done.record()

    def fetch() -> Dict[str, NDArray[Any]]:
        done.synchronize()
        return {name: copy.numpy() for name, copy in copies.items()}

    return fetch
