"""Run a command with bf16 on a CPU that has no instructions for it, at about the speed of fp32.

    python benchmarks/emulated_bf16.py train configs/crf.cfg --output OUT --components.ner.model.tok2vec.precision bf16

All arguments are those of `spacy crossner`. Without bf16 instructions PyTorch multiplies bf16 matrices about ten times
slower than fp32. Here the factors of each product are bf16 numbers, the product is computed in fp32 and rounded to
bf16: what the instructions do, up to the order of the sums. Attention is left to PyTorch's own kernel. So F1 can be
measured everywhere, and speed cannot.
"""

import sys
from typing import Any, Dict, Sequence, Tuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_crossner.cli import app

aten = torch.ops.aten
PRODUCTS = (aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.linear, aten.matmul)


class EmulatedBf16(TorchDispatchMode):
    """A context in which products of bf16 matrices are computed in fp32 and rounded to bf16."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[Any], args: Tuple[Any, ...] = (), kwargs: Dict[str, Any] | None = None
    ) -> Any:
        """Compute an operation."""
        kwargs = kwargs or {}
        if func.overloadpacket not in PRODUCTS or not any(_is_bf16(value) for value in args):
            return func(*args, **kwargs)
        return func(*(value.float() if _is_bf16(value) else value for value in args), **kwargs).bfloat16()


def _is_bf16(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16


if __name__ == "__main__":
    with EmulatedBf16():
        app(sys.argv[1:])
