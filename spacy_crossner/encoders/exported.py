"""`spacy_crossner.ExportedEncoder.v1`: an encoder that ONNX Runtime or OpenVINO runs, from docs to token vectors.

It is made from a `spacy_crossner.Encoder.v1` by `spacy crossner export`, predicts as that does, and cannot be trained.
"""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, cast

import torch
from thinc.api import Shim, get_torch_default_device
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..annotations.words import WordBatch
from ..errors import CrossnerError, Errors
from .encoder import EncoderModel, make_layer
from .encoder_shim import EncoderShim
from .runtimes import EncoderRuntime, find_runtime
from .runtimes.export import export_files
from .saved_encoder import saved_from_bytes, saved_to_bytes, tokenizer_from_saved, tokenizer_to_saved
from .saved_tokenizer import without_code
from .word_encoder import EncoderSettings, WordEncoder

ARCHITECTURE = "spacy_crossner.ExportedEncoder.v1"


class EncoderFacts(NamedTuple):
    """What the layer has to know of an exported encoder.

    config (Dict[str, Any]): the encoder's config.
    maximum (int): maximum of word pieces that the encoder takes at once, special tokens included.
    inputs (List[str]): the names of its inputs.
    case_step (int): see `letter_case.case_step`.
    """

    config: Dict[str, Any]
    maximum: int
    inputs: List[str]
    case_step: int


def build_exported_encoder(
    backend: str,
    pooling: str = "mean",
    pieces: int = 192,
    overlap: int = 48,
    precision: str = "auto",
    max_pieces: Optional[int] = None,
) -> EncoderModel:
    """Build the layer of an exported encoder. The encoder itself comes with the pipeline that is loaded.

    backend (str): the library that runs the encoder, "onnx" (ONNX Runtime) or "openvino".
    pooling, pieces, overlap, precision, max_pieces: see `EncoderSettings`. ONNX Runtime computes in single precision.
    RAISES (CrossnerError): a setting has an invalid value, or the library is not installed.
    """
    settings = EncoderSettings(pooling, pieces, overlap, precision, None, max_pieces)
    return make_layer(ExportedShim(settings, backend), _init)


def _init(model: EncoderModel, X: Any = None, Y: Any = None) -> None:
    model.set_dim("nO", cast(ExportedShim, model.shims[0]).width, force=True)


class ExportedShim(WordEncoder, Shim):
    """Holds an exported encoder and its tokenizer, and predicts on the CPU.

    settings (EncoderSettings): the settings.
    backend (str): the library that runs the encoder.
    RAISES (CrossnerError): there is no such backend, or its library is not installed.
    """

    def __init__(self, settings: EncoderSettings, backend: str) -> None:
        super().__init__(None)
        self.settings = settings
        self.runtime_class = find_runtime(backend)
        self.runtime_class.import_library()
        self._loaded: Optional[Tuple[PreTrainedTokenizerBase, EncoderFacts, EncoderRuntime]] = None
        # The device of the layers that take the vectors.
        self._output_device = get_torch_default_device()

    @classmethod
    def from_encoder(cls, encoder: EncoderShim, backend: str, *, int8: bool) -> "ExportedShim":
        """Export an encoder.

        encoder (EncoderShim): the encoder.
        backend (str): the library to run it.
        int8 (bool): quantize it to 8-bit integers.
        RAISES (CrossnerError): the library is not installed, or it computes other vectors.
        """
        exported = cls(encoder.settings, backend)
        inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if encoder.takes_types() else [])]
        facts = EncoderFacts(without_code(encoder.module.config.to_dict()), encoder.maximum, inputs, encoder.case_step)
        files = export_files(encoder.module, inputs, backend, int8=int8)
        exported._load(encoder.tokenizer, facts, files)
        return exported

    def _load(self, tokenizer: PreTrainedTokenizerBase, facts: EncoderFacts, files: Dict[str, bytes]) -> None:
        self._loaded = (tokenizer, facts, self.runtime_class(files, self.settings.precision))

    @property
    def _parts(self) -> Tuple[PreTrainedTokenizerBase, EncoderFacts, EncoderRuntime]:
        if self._loaded is None:
            raise CrossnerError(Errors.C512)
        return self._loaded

    @property
    def runtime(self) -> EncoderRuntime:
        """The encoder."""
        return self._parts[2]

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""
        return self._parts[0]

    @property
    def maximum(self) -> int:
        """Maximum of word pieces that the encoder takes at once."""
        return self._parts[1].maximum

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return int(self._parts[1].config["hidden_size"])

    @property
    def input_device(self) -> torch.device:
        """The CPU."""
        return torch.device("cpu")

    def takes_types(self) -> bool:
        """Return whether the encoder takes token types."""
        return "token_type_ids" in self._parts[1].inputs

    @property
    def case_step(self) -> int:
        """What one step of the letter case adds to the id of a word piece; see `letter_case.case_step`."""
        return self._parts[1].case_step

    def run_chunks(self, chunks: List[Dict[str, Tensor]], is_train: bool) -> List[Tensor]:
        """Run the encoder; see `WordEncoder`."""
        runtime = self.runtime
        return [runtime(chunk) for chunk in chunks]

    def predict_words(self, words: WordBatch) -> Tensor:
        """Return the vectors of all words, on the device of the layers that take them."""
        return super().predict_words(words).to(self._output_device)

    def begin_words(
        self, words: WordBatch, *, with_sentences: bool = False
    ) -> Tuple[Tensor, Optional[Tensor], Callable[[Tensor, Optional[Tensor]], None]]:
        """Refuse to train.

        RAISES (CrossnerError): always.
        """
        raise CrossnerError(Errors.C513.format(backend=self.runtime_class.backend))

    def finish_update(self, optimizer: Any) -> None:
        """Do nothing: there are no gradients."""

    def to_device(self, device_type: str, device_id: int) -> None:
        """Give the vectors to layers on another device."""
        self._output_device = torch.device("cuda", device_id) if device_type == "gpu" else torch.device("cpu")

    def to_bytes(self) -> bytes:
        """Return the exported encoder, its config and its tokenizer's files; nothing if there is no encoder yet."""
        if self._loaded is None:
            return saved_to_bytes({})
        tokenizer, facts, runtime = self._loaded
        saved = {**facts._asdict(), **tokenizer_to_saved(tokenizer, facts.config), "files": runtime.files}
        return saved_to_bytes(saved)

    def from_bytes(self, data: bytes) -> "ExportedShim":
        """Load the bytes that `to_bytes` of this or an earlier version returned.

        RAISES (CrossnerError): a later version of this package has saved the bytes, or they contain a forbidden file
            of a tokenizer.
        """
        saved = saved_from_bytes(data)
        if "files" in saved:
            tokenizer, config = tokenizer_from_saved(saved)
            facts = EncoderFacts(config, saved["maximum"], saved["inputs"], saved.get("case_step", 0))
            self._load(tokenizer, facts, saved["files"])
        return self
