"""From a PyTorch encoder to the files of a backend."""

from typing import Dict, List

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from ...errors import CrossnerError, Errors
from . import find_runtime
from .onnx import MODEL, OnnxRuntime
from .openvino import onnx_to_openvino
from .to_onnx import encoder_to_onnx

# Vectors of an export in single precision are those of the encoder: the lowest cosine between them.
LOWEST_COSINE = 0.9999
# 8-bit integers change them, and those of random word pieces most: the lowest mean cosine. An encoder of BERT-base's
# size, fine-tuned, has 0.9996 on sentences; on random pieces a mean of 0.99 and a single vector with 0.80.
LOWEST_MEAN_COSINE = 0.95


def export_files(model: PreTrainedModel, names: List[str], backend: str, *, int8: bool) -> Dict[str, bytes]:
    """Return the files of an encoder for a backend. Its vectors are compared with those of PyTorch.

    model (PreTrainedModel): the encoder.
    names (List[str]): the names of its inputs.
    backend (str): the backend.
    int8 (bool): quantize the encoder to 8-bit integers.
    RAISES (CrossnerError): a library is not installed, or the vectors differ.
    """
    exported = encoder_to_onnx(model, names)
    files = _convert(exported, backend, int8=False)
    cosine, least = float(cosines(model, names, backend, files).min()), LOWEST_COSINE
    if int8 and cosine >= least:
        files = _convert(exported, backend, int8=True)
        cosine, least = float(cosines(model, names, backend, files).mean()), LOWEST_MEAN_COSINE
    if not cosine >= least:
        raise CrossnerError(Errors.C514.format(kind=model.config.model_type, backend=backend, cosine=f"{cosine:.4f}"))
    return files


def _convert(exported: bytes, backend: str, *, int8: bool) -> Dict[str, bytes]:
    if backend == OnnxRuntime.backend:
        return {MODEL: _quantized(exported) if int8 else exported}
    return onnx_to_openvino(exported, int8=int8)


def _quantized(exported: bytes) -> bytes:
    # Imported here, because the package onnx is needed for exporting alone.
    import onnx

    from .int8 import quantize_weights

    graph = onnx.load_from_string(exported)
    quantize_weights(graph)
    return graph.SerializeToString()


def cosines(model: PreTrainedModel, names: List[str], backend: str, files: Dict[str, bytes]) -> Tensor:
    """Return the cosine between the vectors of PyTorch and of a backend for each of some random word pieces.

    The shape differs from the shape of the export, and a row has padding, so a size that the export has made constant
    shows.
    """
    random = np.random.default_rng(0)
    ids = torch.from_numpy(random.integers(0, model.config.vocab_size, (3, 17)))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    padding = model.config.pad_token_id or 0
    ids = torch.where(mask == 1, torch.where(ids == padding, ids + 1, ids), padding) % model.config.vocab_size
    values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
    inputs = {name: values[name] for name in names}
    module = model.eval()
    with torch.no_grad():
        device = next(module.parameters()).device
        expected = module(**{name: value.to(device) for name, value in inputs.items()}).last_hidden_state
    found = find_runtime(backend)(files, "fp32")(inputs)
    return torch.cosine_similarity(found, expected.float().cpu(), dim=-1)[mask == 1]
