"""The bridge between thinc and torch: docs in, a `HeadOutput` of torch tensors with their graph out, one backward."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union, cast

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.errors import Errors as SpacyErrors
from spacy.tokens import Doc
from thinc.api import ArgsKwargs, Model, PyTorchShim, get_torch_default_device, set_dropout_rate
from thinc.types import Floats2d
from torch import Tensor, nn

from ..annotations.tags import allowed_starts, allowed_transitions, label_tags
from ..annotations.words import see_words
from ..encoders.module_shim import HeadShim
from ..encoders.pooling import guard_pooling
from ..encoders.serialization import module_from_bytes, module_to_bytes
from ..encoders.word_encoder import to_device
from .doc_windows import Rows, Window
from .encoding import begin_words, predict_words
from .head import HeadOutput, SequenceHead

# Docs, or rows: windows of docs, and in training their gold tags.
HeadInput = Union[List[Doc], Rows]
# Its output is a HeadOutput. Its backprop takes the loss, a torch scalar, instead of the gradient of the output.
HeadModel = Model[HeadInput, Any]
# Computes further inputs of a head, beside the word vectors: the rows as docs without blank tokens, whether in
# training, the device of the module -> tensors with one row for each doc.
DocFeatures = Callable[[List[Doc], bool, torch.device], Dict[str, Tensor]]
# Width of the token vectors, allowed starts, allowed transitions -> torch module.
MakeHead = Callable[[int, Tensor, Tensor], SequenceHead]


def no_features(docs: List[Doc], is_train: bool, device: torch.device) -> Dict[str, Tensor]:
    """Return no features: most heads use token vectors only."""
    return {}


def build_head_model(
    tok2vec: Model[List[Doc], List[Floats2d]], make_head: MakeHead, features: DocFeatures = no_features
) -> HeadModel:
    """Build a model: a torch head on a tok2vec layer. The torch module is made when width and labels are known.

    tok2vec (Model): any layer with one output row for each token: a listener or an inline encoder.
    make_head (MakeHead): makes the torch module.
    features (DocFeatures): computes the keyword arguments of the module's `forward`, beside token vectors.
    RETURNS (HeadModel): its refs are "tok2vec" and, once the labels are known, "head".
    """
    guard_pooling(tok2vec)
    model: HeadModel = Model(
        "sequence_head",
        forward,
        init=init,
        layers=[tok2vec],
        refs={"tok2vec": tok2vec, "head": None},
        dims={"nI": None, "nO": None},
        # Whether a loss term needs sentence vectors.
        attrs={"make_head": make_head, "features": features, "with_sentences": False},
    )
    return model


def make_module(model: HeadModel, width: int, labels: List[str]) -> None:
    """Make the torch module for a width of token vectors and for labels. It replaces an existing module."""
    starts, transitions = bio_constraints(labels, get_torch_default_device())
    head = model.attrs["make_head"](width, starts, transitions)
    head.to(get_torch_default_device())
    shim = HeadShim(head, serialize_model=module_to_bytes, deserialize_model=module_from_bytes)
    layer: Model[Any, Any] = Model("torch_head", head_forward, shims=[shim], dims={"nI": width, "nO": len(starts)})
    drop_module(model)
    model.layers.append(layer)
    model.set_ref("head", layer)
    model.set_dim("nI", width, force=True)
    model.set_dim("nO", len(starts), force=True)


def drop_module(model: HeadModel) -> None:
    """Remove the torch module, if any. Without it, the model does not predict."""
    if has_module(model):
        model.layers.remove(model.get_ref("head"))
        model.set_ref("head", None)


def grow_module(model: HeadModel, labels: List[str]) -> None:
    """Add outputs for new labels, which follow the old ones in `labels`. The old labels keep their weights."""
    starts, transitions = bio_constraints(labels, get_device(model))
    module = get_module(model)
    module.grow(starts, transitions)
    # New layers start in training mode. Give them the mode of the module.
    module.train(module.training)
    for layer in (model, model.get_ref("head")):
        layer.set_dim("nO", len(starts), force=True)


def bio_constraints(labels: List[str], device: torch.device) -> Tuple[Tensor, Tensor]:
    """Return which tags may begin a sequence, shape (n_tags,), and which transitions are allowed, (n_tags, n_tags)."""
    tags = label_tags(labels)
    return (
        torch.from_numpy(allowed_starts(tags)).to(device),
        torch.from_numpy(allowed_transitions(tags)).to(device),
    )


def has_module(model: HeadModel) -> bool:
    """Return whether the torch module was made."""
    return bool(model.has_ref("head"))


def get_module(model: HeadModel) -> SequenceHead:
    """Return the torch module."""
    return cast(SequenceHead, model.get_ref("head").shims[0]._model)


def require_module(model: HeadModel, name: str) -> None:
    """Raise spaCy's error E109 (the component is not initialized) if the torch module is not made.

    name (str): the component's name, for the error.
    """
    if not has_module(model):
        raise ValueError(SpacyErrors.E109.format(name=name))


def get_device(model: HeadModel) -> torch.device:
    """Return the device of the torch module. thinc's current device is no substitute: in a new thread it is the CPU."""
    return cast(PyTorchShim, model.get_ref("head").shims[0]).device


def set_dropout(model: HeadModel, rate: float) -> None:
    """Set the dropout of the torch module; thinc's `set_dropout_rate` does not reach it."""
    for layer in get_module(model).modules():
        if isinstance(layer, nn.Dropout):
            layer.p = rate


def begin_update(
    model: HeadModel, rows: Rows, drop: float, *, with_sentences: bool = False
) -> Tuple[HeadOutput, Callable[[Tensor], Any]]:
    """Run the model in training.

    rows (Rows): the rows with their gold tags.
    drop (float): dropout rate of the head and of the thinc layers below it.
    with_sentences (bool): whether a loss term needs sentence vectors.
    RETURNS (Tuple[HeadOutput, Callable]): the output, and the backprop function, which takes the loss, a torch scalar.
    """
    set_dropout_rate(model, drop)
    set_dropout(model, drop)
    model.attrs["with_sentences"] = with_sentences
    output, backprop = model.begin_update(rows)
    # Reset, because the attributes are saved with the pipeline, and its loss terms are not.
    model.attrs["with_sentences"] = False
    return cast(HeadOutput, output), backprop


def init(model: HeadModel, X: Optional[List[Doc]] = None, Y: Optional[List[str]] = None) -> None:
    """Initialize the tok2vec layer on docs `X` and make the module for the labels `Y`."""
    tok2vec = model.get_ref("tok2vec")
    tok2vec.initialize(X=X)
    if Y:
        width = tok2vec.maybe_get_dim("nO") or tok2vec.predict(X)[0].shape[1]
        make_module(model, width, Y)


def forward(model: HeadModel, X: HeadInput, is_train: bool) -> Tuple[HeadOutput, Callable[[Tensor], List[Doc]]]:
    """Run the encoder on docs, and the head on rows, which are the docs or windows of them. There is at least one row.

    The backprop callback takes the loss, a torch scalar, and runs one backward pass through head and encoder. In
    training, the output includes the sentence vector of each row's doc if a loss term needs it.
    """
    rows = X if isinstance(X, Rows) else whole_docs(X)
    if not is_train:
        vectors = predict_words(model.get_ref("tok2vec"), rows.words, get_device(model))
        return predict_rows(model, vectors, rows), lambda loss: []
    device = get_device(model)
    with_sentences = model.attrs["with_sentences"]
    encoding = begin_words(model.get_ref("tok2vec"), rows.words, device, with_sentences=with_sentences)
    leaf = encoding.words.requires_grad_()
    output, backprop_head = model.get_ref("head")((_of_rows(leaf, rows), rows, _features(model, rows, True)), True)
    sentences = encoding.sentences
    if sentences is not None:
        number = {doc: i for i, doc in enumerate(rows.words.lengths.nonzero()[0].tolist())}
        doc_of_row = torch.tensor([number[window.doc] for window in rows.windows], device=device)
        output.sentences = sentences.requires_grad_()[doc_of_row]

    def backprop(loss: Tensor) -> List[Doc]:
        # One backward pass computes the gradients of word vectors and sentence vectors.
        backprop_head(loss)
        # A loss that uses only sentence vectors gives word vectors no gradient.
        d_words = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        encoding.backprop(d_words, None if sentences is None else sentences.grad)
        return [words.source for words in rows.words]

    return output, backprop


def whole_docs(docs: Sequence[Doc]) -> Rows:
    """Return docs as rows, each doc in one window."""
    words = see_words(docs)
    return Rows(words, [Window(i, 0, len(each), 0, len(each)) for i, each in enumerate(words) if len(each)])


def predict_rows(model: HeadModel, vectors: Tensor, rows: Rows) -> HeadOutput:
    """Run the head on rows, without gradients.

    vectors (Tensor): the vectors of the words of all docs, shape (n_words, width); see `predict_words`.
    rows (Rows): the rows.
    """
    inputs = _of_rows(vectors, rows), rows, _features(model, rows, False)
    return cast(HeadOutput, model.get_ref("head").predict(inputs))


def _of_rows(vectors: Tensor, rows: Rows) -> Tensor:
    """Return the vectors of the words of each row, in order."""
    places = rows.places()
    return vectors if places is None else vectors.index_select(0, to_device(places, vectors.device))


def _features(model: HeadModel, rows: Rows, is_train: bool) -> Dict[str, Tensor]:
    features: DocFeatures = model.attrs["features"]
    return {} if features is no_features else features(rows.docs(), is_train, get_device(model))


def head_forward(
    layer: Model[Any, Any], X: Tuple[Tensor, Rows, Dict[str, Tensor]], is_train: bool
) -> Tuple[HeadOutput, Callable[[Tensor], None]]:
    """Run the torch module on the vectors of the words of each row."""
    tokens, rows, features = X
    shim = cast(HeadShim, layer.shims[0])
    mask = length_mask(rows.lengths(), shim.device)
    kwargs: Dict[str, Any] = features if rows.tags is None else {"tags": rows.tags, **features}
    if not is_train:
        return shim.predict(ArgsKwargs(args=(tokens, mask), kwargs=kwargs)), lambda loss: None
    shim.set_train()
    output: HeadOutput = shim._model(tokens, mask, **kwargs)
    return output, lambda loss: loss.backward()


def length_mask(lengths: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return True at tokens and False at padding, shape (len(lengths), max(lengths))."""
    return to_device(np.arange(lengths.max()) < lengths[:, None], device)
