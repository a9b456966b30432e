"""Bridge between thinc and a Hugging Face model: safe files, and memory that does not grow with the doc."""

import json
from contextlib import suppress
from typing import Any, Dict, List, Optional, Sequence

import srsly
import torch
from spacy.util import SimpleFrozenDict, make_tempdir
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.util import batch_by_length
from thinc.api import get_torch_default_device
from thinc.types import ArgsKwargs
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from ..errors import CrossnerError, Errors
from ..storage.formats import check_format, with_format
from ..threads import Lock
from .module_shim import ModuleShim
from .opening import ATTENTIONS, check_architecture, named_faults
from .piece_windows import PieceTokenizer
from .saved_tokenizer import tokenizer_from_files, tokenizer_to_files, without_code
from .serialization import module_from_bytes, module_to_bytes, weights_dtype

# Word pieces, padding included, that go through the encoder at once at prediction. On a CPU small chunks of like
# lengths are the fastest; a GPU wants to be filled.
CPU_PIECES = 512
GPU_PIECES = 16_384
# How errors name an encoder that is loaded with a pipeline.
SAVED = "saved in this pipeline"


class SafetensorsShim(ModuleShim, HFShim):
    """Bridge to a Hugging Face model: its config as JSON, its tokenizer's files, its weights as safetensors.

    objects (HFObjects): model and tokenizer.
    mixed_precision (bool): half precision on GPU.
    grad_scaler_config (Dict[str, Any]): gradient scaling for it; written into.
    max_pieces (Optional[int]): word pieces, padding included, that go through the model at once at prediction, or one
        window where that is longer; None: what is fast on the device.
    RAISES (CrossnerError): max_pieces is below 1.
    """

    def __init__(
        self,
        objects: HFObjects,
        mixed_precision: bool = False,
        grad_scaler_config: Optional[Dict[str, Any]] = None,
        max_pieces: Optional[int] = None,
    ) -> None:
        if max_pieces is not None and max_pieces < 1:
            raise CrossnerError(Errors.C026.format(max_pieces=max_pieces))
        grad_scaler = {} if grad_scaler_config is None else grad_scaler_config
        super().__init__(objects, mixed_precision=mixed_precision, grad_scaler_config=grad_scaler)
        self.max_pieces = max_pieces
        self._tokenizer: Optional[PieceTokenizer] = None
        # One thread makes it: that changes the tokenizer, which others must not use meanwhile.
        self._making = Lock()

    @property
    def tokenizer(self) -> PieceTokenizer:
        """RETURNS (PieceTokenizer): the tokenizer and how much the encoder takes."""
        objects = self._hfmodel
        with self._making:
            if self._tokenizer is None or self._tokenizer.tokenizer is not objects.tokenizer:
                maximum = find_maximum(objects.tokenizer, objects.transformer)
                self._tokenizer = PieceTokenizer(objects.tokenizer, maximum)
            return self._tokenizer

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Return what the encoder makes of windows, without gradients.

        Many windows go through it in chunks of like lengths, so that activations take memory for one chunk only, and
        little of it is padding. Where there are chunks, what the encoder makes of padding is 0.

        inputs (ArgsKwargs): the encoder's tensors by name, each of shape (n_windows, width).
        RETURNS (ModelOutput): the encoder's output for all windows.
        """
        mask = inputs.kwargs["attention_mask"]
        limit = self.max_pieces or (CPU_PIECES if mask.device.type == "cpu" else GPU_PIECES)
        if len(mask) <= 1 or mask.numel() <= limit:
            return super().predict(inputs)
        # Padding is on the right: `PieceTokenizer`.
        ends = mask.sum(1).int().tolist()
        whole: Dict[str, Any] = {}
        for rows in batch_by_length([range(end) for end in ends], limit):
            end = max(ends[row] for row in rows)
            part = super().predict(ArgsKwargs((), {name: x[rows, :end] for name, x in inputs.kwargs.items()}))
            for name, value in part.items():
                if isinstance(value, Tensor):
                    whole[name] = put_rows(whole.get(name), value, rows, mask.shape)
                elif name.endswith(("hidden_states", "attentions")):
                    layers = whole.get(name, (None,) * len(value))
                    whole[name] = tuple(put_rows(*pair, rows, mask.shape) for pair in zip(layers, value, strict=True))
        return type(part)(**whole)

    def to_bytes(self) -> bytes:
        """Return config, tokenizer and weights, with the format's version."""
        objects = self._hfmodel
        if objects.transformer is None:
            settings = {
                "tokenizer_config": dict(objects._init_tokenizer_config),
                "transformer_config": dict(objects._init_transformer_config),
            }
            return srsly.msgpack_dumps(with_format(settings))
        config = objects.transformer.config
        saved = {
            "config": without_code(config.to_dict()),
            "attention": config._attn_implementation,
            # By the property, so that only one thread changes it.
            "tokenizer": tokenizer_to_files(self.tokenizer.tokenizer),
            "use_fast": objects.tokenizer.is_fast,
            "weights": module_to_bytes(objects.transformer),
        }
        return srsly.msgpack_dumps(with_format(saved))

    def from_bytes(self, bytes_data: bytes) -> "SafetensorsShim":
        """Load what `to_bytes` gave, or an earlier version of it.

        RAISES (CrossnerError): a later version has saved it, it holds files or names code that a tokenizer does not
            have, or it is damaged.
        """
        saved = srsly.msgpack_loads(bytes_data)
        check_format(saved, "encoder")
        if "weights" not in saved:
            self._hfmodel = HFObjects(None, None, None, saved["tokenizer_config"], saved["transformer_config"])
            return self
        config = without_code(saved["config"])
        with named_faults(SAVED):
            tokenizer = tokenizer_from_files(saved["tokenizer"], config, saved["use_fast"])
            transformer = make_encoder(config, saved.get("attention"), weights_dtype(saved["weights"]))
        module_from_bytes(transformer, saved["weights"], get_torch_default_device())
        self._hfmodel = HFObjects(tokenizer, transformer.eval(), None, SimpleFrozenDict(), SimpleFrozenDict())
        self._model = transformer
        return self


def make_encoder(config: Dict[str, Any], attention: Optional[str], dtype: torch.dtype) -> PreTrainedModel:
    """Make an encoder with random weights.

    config (Dict[str, Any]): its config.
    attention (Optional[str]): how attention is worked out. All ways give the same; where this one is not to be had on
        this machine, or with None, transformers chooses.
    dtype (torch.dtype): type of the weights.
    RAISES (CrossnerError): the config is not that of an encoder.
    """
    with make_tempdir() as folder:
        # Not by srsly, which keeps nine decimals: a layer's epsilon of 1e-12 would be 0.
        (folder / "config.json").write_text(json.dumps(config), encoding="utf8")
        settings = AutoConfig.from_pretrained(str(folder / "config.json"), trust_remote_code=False)
    check_architecture(SAVED, settings)
    if attention in ATTENTIONS:
        with suppress(ImportError, ValueError):
            return AutoModel.from_config(
                settings, torch_dtype=dtype, attn_implementation=attention, trust_remote_code=False
            )
    return AutoModel.from_config(settings, torch_dtype=dtype, trust_remote_code=False)


def put_rows(whole: Optional[Tensor], part: Tensor, rows: List[int], shape: Sequence[int]) -> Tensor:
    """Write the output for some windows into that for all.

    whole (Optional[Tensor]): the output for all, written into; None for the first part.
    part (Tensor): vectors of windows (n, hidden) or of pieces (n, width, hidden), or attentions (n, heads, width,
        width).
    rows (List[int]): the n windows.
    shape (Sequence[int]): number of windows, width of the widest.
    RETURNS (Tensor): the output for all.
    """
    n_windows, width = shape
    wide = {3: (1,), 4: (2, 3)}.get(part.dim(), ())
    if whole is None:
        lengths = [width if axis in wide else length for axis, length in enumerate(part.shape)]
        whole = part.new_zeros((n_windows, *lengths[1:]))
    target = whole
    for axis in wide:
        target = target.narrow(axis, 0, part.shape[axis])
    target[rows] = part
    return whole


def find_maximum(tokenizer: PreTrainedTokenizerBase, transformer: PreTrainedModel) -> int:
    """Return the most word pieces, special tokens included, that an encoder takes at once."""
    # A tokenizer that knows of no limit says 1e30.
    limits = [int(tokenizer.model_max_length), 2**31 - 1]
    positions = getattr(transformer.config, "max_position_embeddings", None) or 0
    if positions > 0:
        # RoBERTa and its kin count positions from behind that of padding.
        padding = [
            module.padding_idx
            for name, module in transformer.named_modules()
            if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
        ]
        limits.append(positions - sum(index + 1 for index in padding[:1] if index is not None))
    return min(limits)
