"""The shim of `spacy_crossner.NameFeatures.v1`: names with types, and the weights of their features."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import srsly
import torch
from numpy.typing import NDArray
from thinc.api import Optimizer, PyTorchShim, get_torch_default_device
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from ..annotations.words import OF_ORTH, WordBatch, Words
from ..errors import CrossnerError, Errors
from ..storage.formats import check_format, with_format
from ..text.typed_names import TypedNames
from .module_shim import ModuleShim
from .serialization import module_from_bytes, module_to_bytes
from .word_encoder import to_device
from .word_pieces import ranges


class Marks(NamedTuple):
    """The words of a batch that are a part of a mention, and their features. There is at least one.

    words (NDArray): the index of each such word among the words of all docs, int64, shape (n_marked,).
    features (NDArray): the features of these words in order, int64, shape (n_features,). A word has one for each type
        of the name: 2 * type if the word is the first of the mention, 2 * type + 1 if not.
    offsets (NDArray): where the features of each word begin, int64, shape (n_marked,).
    """

    words: NDArray[np.int64]
    features: NDArray[np.int64]
    offsets: NDArray[np.int64]


class NameGate(nn.Module):
    """Adds a vector to the vectors of marked words: the sum over their features, times a gate, times sqrt(width).

    The gate is a number in (0, 1) that depends on the word's own vector, as in GEMNET (Meng et al., 2021). All weights
    are 0 at first, so that nothing is added and every gate is 0.5. An optimizer changes each number by about the
    learning rate, so that without the factor features would stay far shorter than the vectors of an encoder.

    n_types (int): number of types.
    width (int): width of the vectors.
    """

    def __init__(self, n_types: int, width: int) -> None:
        super().__init__()
        # No random numbers: all other layers begin as they do without names.
        self.table = nn.Parameter(torch.zeros(2 * n_types, width))
        self.gate = nn.Parameter(torch.zeros(width))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, vectors: Tensor, words: Tensor, features: Tensor, offsets: Tensor) -> Tensor:
        """Return the vectors of all words, shape (n_words, width).

        vectors (Tensor): shape (n_words, width).
        words, features, offsets (Tensor): see `Marks`.
        """
        # shape: (n_marked, 1)
        gates = torch.sigmoid(vectors.index_select(0, words) @ self.gate + self.bias).unsqueeze(1)
        gates = vectors.shape[1] ** 0.5 * gates
        return vectors.index_add(0, words, gates * embedding_bag(features, self.table, offsets, mode="sum"))


class NameShim(ModuleShim, PyTorchShim):
    """Holds names with types and the weights of their features. Saved as the names and safetensors.

    drop (float): probability that a mention has no features in training.
    ignore_case (bool): ignore case in names and text.
    """

    _model: Any

    def __init__(self, drop: float, *, ignore_case: bool) -> None:
        super().__init__(nn.Identity())
        self.drop = drop
        self.ignore_case = ignore_case
        self._names: Optional[TypedNames] = None

    @property
    def is_open(self) -> bool:
        """Whether there are names."""
        return self._names is not None

    @property
    def names(self) -> TypedNames:
        """The names."""
        if self._names is None:
            raise CrossnerError(Errors.C619)
        return self._names

    def open(self, names: TypedNames, width: int) -> None:
        """Take names, with new weights for vectors of a width."""
        self._names = names
        self._model = NameGate(len(names.types), width).to(get_torch_default_device())

    def find(self, words: WordBatch, *, is_train: bool) -> Optional[Marks]:
        """Return the marks of the words of docs; None if no word is marked. In training, some mentions are dropped."""
        names = self.names
        mentions = names.find([_texts_of(each) for each in words])
        if is_train and self.drop and len(mentions):
            # On the CPU, so that a seed gives the same numbers on every device.
            mentions = mentions[(torch.rand(len(mentions), device="cpu") >= self.drop).numpy()]
        if not len(mentions):
            return None
        starts, ends, numbers = mentions.T
        marked = ranges(starts, ends - starts)
        numbers, starts = np.repeat(numbers, ends - starts), np.repeat(starts, ends - starts)
        counts = names.counts[numbers]
        types = names.types_in_order[ranges(names.starts[numbers], counts)]
        return Marks(marked, 2 * types + np.repeat(marked > starts, counts), np.cumsum(counts) - counts)

    def predict_marked(self, vectors: Tensor, marks: Optional[Marks]) -> Tensor:
        """Return the vectors of words with their features, shape (n_words, width), without a graph.

        vectors (Tensor): shape (n_words, width).
        marks (Optional[Marks]): the marked words.
        """
        if marks is None:
            return vectors
        with torch.no_grad():
            return self._run(vectors, marks)

    def begin_marked(self, vectors: Tensor, marks: Optional[Marks]) -> Tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the vectors in training, and the backprop: from their gradient to the gradient of `vectors`."""
        if marks is None:
            return vectors, lambda d_vectors: d_vectors
        leaf = vectors.detach().requires_grad_()
        marked = self._run(leaf, marks)

        def backprop(d_marked: Tensor) -> Tensor:
            torch.autograd.backward(marked, d_marked)
            assert leaf.grad is not None
            return leaf.grad

        return marked.detach(), backprop

    def _run(self, vectors: Tensor, marks: Marks) -> Tensor:
        output: Tensor = self._model(vectors, *(to_device(array, vectors.device) for array in marks))
        return output

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights. They are as new as those of a head: an optimizer with a rate for heads takes that."""
        if hasattr(optimizer, "mark_head"):
            optimizer.mark_head((self.id, name) for name, _ in self._model.named_parameters())
        super().finish_update(optimizer)

    def to_bytes(self) -> bytes:
        """Return names and weights, with the format's version; only the version if there are no names yet."""
        saved: Dict[str, Any] = {}
        if self._names is not None:
            names = self._names
            width = self._model.table.shape[1]
            saved = {"names": names.names, "type_of": names.type_of, "types": names.types, "width": width}
            saved["weights"] = module_to_bytes(self._model)
        data: bytes = srsly.msgpack_dumps(with_format(saved))
        return data

    def from_bytes(self, bytes_data: bytes) -> "NameShim":
        """Load the bytes that `to_bytes` of this or an earlier version returned.

        RAISES (CrossnerError): a later version of this package has saved the bytes, or the weights are damaged.
        """
        saved = srsly.msgpack_loads(bytes_data)
        check_format(saved, "name list")
        if "names" in saved:
            names = TypedNames(saved["names"], saved["type_of"], saved["types"], ignore_case=self.ignore_case)
            module = NameGate(len(names.types), saved["width"])
            self._model = module_from_bytes(module, saved["weights"], get_torch_default_device())
            self._names = names
        return self


def _texts_of(doc: Words) -> List[str]:
    columns = doc.columns if doc.places is None else doc.columns[doc.places]
    strings = doc.source.vocab.strings
    return [strings[key] for key in columns[:, OF_ORTH].tolist()]
