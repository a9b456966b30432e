"""Conversions around a Hugging Face encoder: word pieces to input tensors, and its output to single precision."""

from typing import Any, Callable, Dict, List, Tuple, cast

import torch
from spacy_transformers.data_classes import WordpieceBatch
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Model, xp2torch
from thinc.types import ArgsKwargs
from torch import Tensor
from transformers import BatchEncoding
from transformers.file_utils import ModelOutput

from ..opening import forward_names


def to_wordpieces(pieces: BatchEncoding) -> WordpieceBatch:
    """Convert the output of `PieceTokenizer` to the class of spacy-transformers."""
    mask = pieces["attention_mask"]
    return WordpieceBatch(
        strings=pieces["input_texts"],
        input_ids=pieces["input_ids"],
        attention_mask=mask.astype("f"),
        lengths=mask.sum(axis=1).tolist(),
        token_type_ids=pieces.get("token_type_ids"),
    )


def convert_inputs(
    model: Model[Any, Any], wordpieces: WordpieceBatch, is_train: bool
) -> Tuple[ArgsKwargs, Callable[[Any], List[Any]]]:
    """Make the input tensors of the encoder. Arrays of the tokenizer that the encoder does not take are left out."""
    transformer = cast(HFShim, model.shims[0])._hfmodel.transformer
    arrays: Dict[str, Any] = {
        "input_ids": wordpieces.input_ids,
        "attention_mask": wordpieces.attention_mask,
        "token_type_ids": wordpieces.token_type_ids,
    }
    names = forward_names(transformer)
    tensors = {
        name: xp2torch(array, device=transformer.device)
        for name, array in arrays.items()
        if array is not None and name in names
    }
    return ArgsKwargs(args=(), kwargs=tensors), lambda d_inputs: []


def convert_outputs(
    model: Model[Any, Any], inputs_outputs: Tuple[Any, ModelOutput], is_train: bool
) -> Tuple[ModelOutput, Callable[[ModelOutput], ArgsKwargs]]:
    """Convert the encoder's output to single precision, which the layers above it and NumPy need.

    The encoder may have half precision. Its gradient is converted back.
    """
    output = inputs_outputs[1]
    converted = type(output)(**{name: to_single(value) for name, value in output.items()})

    def backprop(d_output: ModelOutput) -> ArgsKwargs:
        return ArgsKwargs(args=(converted["last_hidden_state"],), kwargs={"grad_tensors": d_output.values()})

    return converted, backprop


def to_single(value: Any) -> Any:
    """Convert a tensor, or a tuple of tensors, from half precision to single precision."""
    if isinstance(value, tuple):
        return tuple(to_single(tensor) for tensor in value)
    is_half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if is_half else value
