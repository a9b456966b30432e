"""Bridge between thinc and a Hugging Face model: saved without pickle, and predicting in bounded memory."""

from typing import Any, Dict, List, Optional, Sequence

from spacy.util import SimpleFrozenDict
from spacy_transformers.data_classes import HFObjects
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import get_torch_default_device
from thinc.types import ArgsKwargs
from torch import Tensor

from ...errors import CrossnerError, Errors
from ...threads import Lock
from ...tuning import ENCODER_CPU_PIECES, ENCODER_GPU_PIECES
from ..chunks import chunk_by_length
from ..module_shim import ModuleShim
from ..pieces import PieceTokenizer, find_maximum
from ..saved_encoder import encoder_from_saved, encoder_to_saved, saved_from_bytes, saved_to_bytes


class SafetensorsShim(ModuleShim, HFShim):
    """Bridge to a Hugging Face model: its config as JSON, its tokenizer's files, its weights as safetensors.

    objects (HFObjects): model and tokenizer.
    mixed_precision (bool): half precision on GPU.
    grad_scaler_config (Dict[str, Any]): gradient scaling for mixed precision; changed in place.
    max_pieces (Optional[int]): maximum number of word pieces in one forward pass; see `build_transformer_model`.
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
        # Creating the `PieceTokenizer` changes the tokenizer, which other threads must not use meanwhile.
        self._tokenizer_lock = Lock()

    @property
    def tokenizer(self) -> PieceTokenizer:
        """RETURNS (PieceTokenizer): the tokenizer, with the encoder's maximum of word pieces."""
        objects = self._hfmodel
        with self._tokenizer_lock:
            if self._tokenizer is None or self._tokenizer.tokenizer is not objects.tokenizer:
                maximum = find_maximum(objects.tokenizer, objects.transformer)
                self._tokenizer = PieceTokenizer(objects.tokenizer, maximum)
            return self._tokenizer

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Return the encoder's output for windows, without gradients.

        Many windows are encoded in chunks of similar lengths, so that activations take memory for one chunk only and
        little of a chunk is padding. With several chunks, the output at padding is 0.

        inputs (ArgsKwargs): the encoder's tensors by name, each of shape (n_windows, width).
        RETURNS (ModelOutput): the encoder's output for all windows.
        """
        mask = inputs.kwargs["attention_mask"]
        limit = self.max_pieces or (ENCODER_CPU_PIECES if mask.device.type == "cpu" else ENCODER_GPU_PIECES)
        if len(mask) <= 1 or mask.numel() <= limit:
            return super().predict(inputs)
        # `PieceTokenizer` pads on the right, so the first pieces of a row are its text.
        lengths = mask.sum(1).int().tolist()
        merged: Dict[str, Any] = {}
        for rows in chunk_by_length(lengths, limit):
            width = max(lengths[row] for row in rows)
            chunk = super().predict(ArgsKwargs((), {name: x[rows, :width] for name, x in inputs.kwargs.items()}))
            for name, value in chunk.items():
                if isinstance(value, Tensor):
                    merged[name] = put_rows(merged.get(name), value, rows, mask.shape)
                elif name.endswith(("hidden_states", "attentions")):
                    layers = merged.get(name, (None,) * len(value))
                    merged[name] = tuple(put_rows(*pair, rows, mask.shape) for pair in zip(layers, value, strict=True))
        return type(chunk)(**merged)

    def to_bytes(self) -> bytes:
        """Return config, tokenizer and weights, with the format's version."""
        objects = self._hfmodel
        if objects.transformer is None:
            settings = {
                "tokenizer_config": dict(objects._init_tokenizer_config),
                "transformer_config": dict(objects._init_transformer_config),
            }
            return saved_to_bytes(settings)
        # Through the property and its lock, so that only one thread changes the tokenizer.
        return saved_to_bytes(encoder_to_saved(self.tokenizer.tokenizer, objects.transformer))

    def from_bytes(self, bytes_data: bytes) -> "SafetensorsShim":
        """Load the bytes that `to_bytes` of this or an earlier version returned.

        RAISES (CrossnerError): a later version of this package has saved the bytes, they contain a forbidden file or
            setting of a tokenizer, or they are damaged.
        """
        saved = saved_from_bytes(bytes_data)
        if "weights" not in saved:
            self._hfmodel = HFObjects(None, None, None, saved["tokenizer_config"], saved["transformer_config"])
            return self
        tokenizer, transformer = encoder_from_saved(saved, get_torch_default_device())
        self._hfmodel = HFObjects(tokenizer, transformer, None, SimpleFrozenDict(), SimpleFrozenDict())
        self._model = transformer
        return self


def put_rows(merged: Optional[Tensor], chunk: Tensor, rows: List[int], shape: Sequence[int]) -> Tensor:
    """Write the output for a chunk of windows into the output for all windows.

    merged (Optional[Tensor]): the output for all windows, which is changed; None for the first chunk.
    chunk (Tensor): vectors of windows (n, hidden) or of pieces (n, width, hidden), or attentions (n, heads, width,
        width).
    rows (List[int]): the indices of the n windows.
    shape (Sequence[int]): number of all windows, and width of the widest window.
    RETURNS (Tensor): the output for all windows.
    """
    n_windows, width = shape
    width_axes = {3: (1,), 4: (2, 3)}.get(chunk.dim(), ())
    if merged is None:
        lengths = [width if axis in width_axes else length for axis, length in enumerate(chunk.shape)]
        merged = chunk.new_zeros((n_windows, *lengths[1:]))
    target = merged
    for axis in width_axes:
        target = target.narrow(axis, 0, chunk.shape[axis])
    target[rows] = chunk
    return merged
