"""The shim of `spacy_crossner.Encoder.v1`: a Hugging Face encoder with its tokenizer, from docs to word vectors."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import torch
from thinc.api import Optimizer, PyTorchShim, get_torch_default_device
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from ..annotations.words import WordBatch
from ..errors import CrossnerError, Errors
from .letter_case import case_step
from .module_shim import ModuleShim
from .opening import forward_names
from .pieces import find_maximum
from .precision import LossScale, autocast, find_dtype
from .saved_encoder import encoder_from_saved, encoder_to_saved, saved_from_bytes, saved_to_bytes
from .word_encoder import EncoderSettings, WordEncoder


class EncoderShim(WordEncoder, ModuleShim, PyTorchShim):
    """Holds a Hugging Face encoder and its tokenizer. Saved as config, tokenizer files and safetensors.

    settings (EncoderSettings): the settings.
    """

    _model: Any

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__(nn.Identity())
        self.settings = settings
        self._tokenizer: Optional[PreTrainedTokenizerBase] = None
        self._maximum, self._takes_types, self._case_step = 0, False, 0
        self._loss_scale = LossScale()

    @property
    def is_open(self) -> bool:
        """Whether there is an encoder."""
        return self._tokenizer is not None

    def open(self, tokenizer: PreTrainedTokenizerBase, module: Any) -> None:
        """Take an encoder and its tokenizer."""
        self._tokenizer, self._model = tokenizer, module
        # Once, because it looks at all submodules.
        self._maximum = find_maximum(tokenizer, module)
        self._takes_types = "token_type_ids" in forward_names(module)
        self._case_step = case_step(module)

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""
        if self._tokenizer is None:
            raise CrossnerError(Errors.C098)
        return self._tokenizer

    @property
    def module(self) -> Any:
        """The encoder of transformers."""
        return self._model

    @property
    def maximum(self) -> int:
        """Maximum of word pieces that the encoder takes at once; see `find_maximum`."""
        return self._maximum

    @property
    def width(self) -> int:
        """Width of the vectors."""
        if not self.is_open:
            raise CrossnerError(Errors.C098)
        return int(self._model.config.hidden_size)

    @property
    def input_device(self) -> torch.device:
        """The device of the weights."""
        return self.device

    def takes_types(self) -> bool:
        """Return whether the encoder takes token types."""
        return self._takes_types

    @property
    def case_step(self) -> int:
        """What one step of the letter case adds to the id of a word piece; see `case_step`."""
        return self._case_step

    def run_chunks(self, chunks: List[Dict[str, Tensor]], is_train: bool) -> List[Tensor]:
        """Run the encoder; see `WordEncoder`."""
        (self.set_train if is_train else self.set_eval)()
        # One context for all chunks, because weights are converted once in a context.
        with torch.set_grad_enabled(is_train), autocast(self._dtype(is_train), self.device):
            return [self._model(**chunk).last_hidden_state.float() for chunk in chunks]

    def _dtype(self, is_train: bool) -> Optional[torch.dtype]:
        settings = self.settings
        setting = settings.train_precision or settings.precision if is_train else settings.precision
        return find_dtype(setting, self.device)

    def begin_words(
        self, words: WordBatch, *, with_sentences: bool = False
    ) -> Tuple[Tensor, Optional[Tensor], Callable[[Tensor, Optional[Tensor]], None]]:
        """Encode docs in training; see `WordEncoder`."""
        batch = self.prepare(words)
        hidden = self.hidden(batch, True)
        vectors = self.pool_words(hidden, batch)
        sentences = self.pool_sentences(hidden, batch, words, vectors) if with_sentences else None
        scaled = self._dtype(True) == torch.float16

        def backprop(d_vectors: Tensor, d_sentences: Optional[Tensor] = None) -> None:
            outputs, gradients = [vectors], [d_vectors]
            if sentences is not None and d_sentences is not None:
                outputs, gradients = [vectors, sentences], [d_vectors, d_sentences]
            if scaled:
                gradients = [gradient * self._loss_scale.scale for gradient in gradients]
            torch.autograd.backward(outputs, gradients)

        return vectors.detach(), None if sentences is None else sentences.detach(), backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights. With fp16, an update whose gradients overflow is left out."""
        if self._dtype(True) == torch.float16:
            gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
            if not self._loss_scale.unscale(gradients):
                self._model.zero_grad()
        super().finish_update(optimizer)

    def training_state_to_bytes(self) -> bytes:
        """Return the state of training beside the weights: the factor on gradients."""
        return self._loss_scale.to_bytes()

    def training_state_from_bytes(self, bytes_data: bytes) -> None:
        """Restore the state that `training_state_to_bytes` returned."""
        self._loss_scale.from_bytes(bytes_data)

    def to_bytes(self) -> bytes:
        """Return config, tokenizer and weights, with the format's version; nothing if there is no encoder yet."""
        return saved_to_bytes(encoder_to_saved(self.tokenizer, self._model) if self.is_open else {})

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        """Load the bytes that `to_bytes` of this or an earlier version returned.

        RAISES (CrossnerError): a later version of this package has saved the bytes, they contain a forbidden file or
            setting of a tokenizer, or they are damaged.
        """
        saved = saved_from_bytes(bytes_data)
        if "weights" in saved:
            self.open(*encoder_from_saved(saved, get_torch_default_device()))
        return self
