"""PyTorch encoders in the ONNX format."""

import warnings
from typing import Any, List, Sequence

import torch
from spacy.util import make_tempdir
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..letter_case import add_case, case_step
from ..saved_encoder import make_encoder
from ..saved_tokenizer import without_code
from .onnx import MODEL, OnnxRuntime
from .runtime import import_library

# The first version with LayerNormalization as an operator.
OPSET = 17
OUTPUT = "last_hidden_state"


class _HiddenState(nn.Module):
    """Takes tensors in an order, and gives the last hidden state alone."""

    def __init__(self, model: PreTrainedModel, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = names

    def forward(self, *inputs: Tensor) -> Any:
        return self.model(**dict(zip(self.names, inputs, strict=True))).last_hidden_state


def encoder_to_onnx(model: PreTrainedModel, names: List[str]) -> bytes:
    """Return an encoder in the ONNX format, in single precision, for any number and width of rows.

    model (PreTrainedModel): the encoder.
    names (List[str]): the names of its inputs.
    RAISES (CrossnerError): the package onnx is not installed.
    """
    import_library("onnx", OnnxRuntime.backend)
    # Eager attention gives a graph that all libraries know; they fuse it themselves.
    copy = make_encoder(without_code(model.config.to_dict()), "eager", torch.float32)
    if case_step(model):
        add_case(copy)
    copy.load_state_dict({name: value.float().cpu() for name, value in model.state_dict().items()})
    ids = torch.ones((2, 5), dtype=torch.int64)
    # A padded row, because transformers leaves the mask out where there is no padding.
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    rows = {0: "rows", 1: "width"}
    with warnings.catch_warnings(), torch.no_grad(), make_tempdir() as folder:
        # The tracer warns of each size that becomes a constant; the test of the vectors says whether one matters.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _HiddenState(copy.eval(), names).eval(),
            tuple(values[name] for name in names),
            folder / MODEL,
            input_names=names,
            output_names=[OUTPUT],
            dynamic_axes=dict.fromkeys((*names, OUTPUT), rows),
            opset_version=OPSET,
            dynamo=False,
        )
        return (folder / MODEL).read_bytes()
