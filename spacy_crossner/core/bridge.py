"""The bridge between thinc and torch: docs in, a `HeadOutput` of torch tensors with their graph out, one backward."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union, cast

import numpy as np
import torch
from spacy.errors import Errors as SpacyErrors
from spacy.tokens import Doc
from thinc.api import (
    ArgsKwargs,
    Model,
    PyTorchShim,
    get_torch_default_device,
    set_dropout_rate,
    torch2xp,
    xp2torch,
)
from thinc.types import Floats2d
from thinc.util import get_array_module
from torch import Tensor, nn

from ..annotations.tags import allowed_starts, allowed_transitions, label_tags
from ..annotations.words import Words, see_words
from ..encoders.listening import find_listeners
from ..encoders.module_shim import HeadShim
from ..encoders.pooling import guard_pooling
from ..encoders.sentence_vectors import begin_with_sentences
from ..encoders.serialization import module_from_bytes, module_to_bytes
from .head import HeadOutput, SequenceHead

# Docs, and in training the tag indices of their words (rows of docs with words, -1 where unknown).
HeadInput = Union[List[Doc], Tuple[List[Doc], Tensor]]
# Its output is a HeadOutput. Its backprop takes the loss, a torch scalar, instead of the gradient of the output.
HeadModel = Model[HeadInput, Any]
# Index of a doc, first word, end (exclusive).
Row = Tuple[int, int, int]
# Computes further inputs of a head, beside the word vectors: docs without blank tokens, whether in training, the device
# of the module -> tensors with one row for each doc.
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
    model: HeadModel, docs: List[Doc], tags: Tensor, drop: float, *, with_sentences: bool = False
) -> Tuple[HeadOutput, Callable[[Tensor], Any]]:
    """Run the model in training.

    docs (List[Doc]): the docs.
    tags (Tensor): their gold tags, shape (docs with words, longest doc).
    drop (float): dropout rate of the head and of the thinc layers below it.
    with_sentences (bool): whether a loss term needs sentence vectors.
    RETURNS (Tuple[HeadOutput, Callable]): the output, and the backprop function, which takes the loss, a torch scalar.
    """
    set_dropout_rate(model, drop)
    set_dropout(model, drop)
    model.attrs["with_sentences"] = with_sentences
    output, backprop = model.begin_update((docs, tags))
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
    """Run the encoder and the head. Docs without words have no row in the output; at least one doc must have words.

    The backprop callback takes the loss, a torch scalar, and runs one backward pass through head and encoder. In
    training, the output includes sentence vectors if a loss term needs them.
    """
    docs, tags = X if isinstance(X, tuple) else (X, None)
    with_sentences = is_train and model.attrs["with_sentences"]
    words = see_words(docs)
    inputs = encoder_inputs(model, docs, words)
    if with_sentences:
        (rows, sentences), backprop_both = begin_with_sentences(model.get_ref("tok2vec"), inputs)
    else:
        rows, backprop_rows = model.get_ref("tok2vec")(inputs, is_train)
    vectors = [drop_blanks(*pair) for pair in zip(rows, words, strict=True)]
    full = [doc for doc, _ in words if len(doc)]
    features = model.attrs["features"](full, is_train, get_device(model))
    output, backprop_head = model.get_ref("head")((vectors, tags, features), is_train)
    if with_sentences:
        has_words = [len(doc) > 0 for doc, _ in words]
        found = model.ops.xp.concatenate([row for row, kept in zip(sentences, has_words, strict=True) if kept])
        output.sentences = xp2torch(found, requires_grad=True, device=output.tokens.device)

    def backprop(loss: Tensor) -> List[Doc]:
        # One backward pass computes the gradients of token vectors and sentence vectors.
        d_vectors = backprop_head(loss)
        d_rows = [put_blanks(*each) for each in zip(d_vectors, rows, words, strict=True)]
        if not with_sentences:
            return cast(List[Doc], backprop_rows(d_rows))
        gradient = output.sentences.grad
        d_found = iter((torch.zeros_like(output.sentences) if gradient is None else gradient).split(1))
        d_sentences = [
            cast(Floats2d, torch2xp(next(d_found))) if kept else 0 * of_doc
            for of_doc, kept in zip(sentences, has_words, strict=True)
        ]
        return cast(List[Doc], backprop_both(d_rows, d_sentences))

    return output, backprop


def predict_rows(
    model: HeadModel, docs: List[Doc], words: List[Words], chunks: Iterable[Sequence[Row]]
) -> Iterator[HeadOutput]:
    """Run the encoder once on all docs, then the head on each chunk of rows.

    docs (List[Doc]): the docs.
    words (List[Words]): their words.
    chunks (Iterable[Sequence[Row]]): the rows of each chunk: index of the doc, first word, end (exclusive).
    YIELDS (HeadOutput): the output for a chunk.
    """
    rows = model.get_ref("tok2vec").predict(encoder_inputs(model, docs, words))
    vectors = [drop_blanks(*pair) for pair in zip(rows, words, strict=True)]
    device = get_device(model)
    for chunk in chunks:
        features = model.attrs["features"]([words[doc].doc for doc, _, _ in chunk], False, device)
        yield model.get_ref("head").predict(([vectors[doc][start:end] for doc, start, end in chunk], None, features))


def encoder_inputs(model: HeadModel, docs: List[Doc], words: List[Words]) -> List[Doc]:
    """Return the docs for the tok2vec layer: without blank tokens, or unchanged for a listener.

    The component that a listener listens to has already encoded the docs with their blank tokens.

    docs (List[Doc]): the docs.
    words (List[Words]): their words.
    """
    if all(places is None for _, places in words):
        return docs
    listens = bool(find_listeners(model.get_ref("tok2vec")))
    return docs if listens else [doc for doc, _ in words]


def drop_blanks(rows: Floats2d, words: Words) -> Floats2d:
    """Return the rows of the words, given the rows of all tokens or of the words only."""
    if words.places is None or len(rows) == len(words.doc):
        return rows
    return cast(Floats2d, rows[get_array_module(rows).asarray(words.places)])


def put_blanks(d_words: Floats2d, rows: Floats2d, words: Words) -> Floats2d:
    """Return the gradient of the input of `drop_blanks`: 0 at blank tokens."""
    if len(d_words) == len(rows):
        return d_words
    d_rows = get_array_module(rows).zeros_like(rows)
    d_rows[get_array_module(rows).asarray(words.places)] = d_words
    return cast(Floats2d, d_rows)


def head_forward(
    layer: Model[Any, Any], X: Tuple[List[Floats2d], Optional[Tensor], Dict[str, Tensor]], is_train: bool
) -> Tuple[HeadOutput, Callable[[Tensor], List[Floats2d]]]:
    """Run the torch module on the token vectors of each doc."""
    vectors, tags, features = X
    shim = cast(PyTorchShim, layer.shims[0])
    lengths = [len(rows) for rows in vectors]
    # The rows of docs without tokens may have width 0.
    flat = layer.ops.xp.concatenate([rows for rows in vectors if len(rows)])
    tokens = xp2torch(flat, requires_grad=is_train, device=shim.device)
    mask = length_mask([n for n in lengths if n]).to(shim.device)
    kwargs: Dict[str, Any] = features if tags is None else {"tags": tags, **features}
    output, backprop_torch = shim(ArgsKwargs(args=(tokens, mask), kwargs=kwargs), is_train)

    def backprop(loss: Tensor) -> List[Floats2d]:
        inputs = backprop_torch(ArgsKwargs(args=((loss,),), kwargs={"grad_tensors": [torch.ones_like(loss)]}))
        # A loss that uses only sentence vectors gives token vectors no gradient.
        gradient = torch.zeros_like(tokens) if inputs.args[0] is None else inputs.args[0]
        d_flat = cast(Floats2d, torch2xp(gradient))
        return layer.ops.unflatten(d_flat, layer.ops.asarray1i(lengths))

    return output, backprop


def length_mask(lengths: List[int]) -> Tensor:
    """Return True at tokens and False at padding, shape (len(lengths), max(lengths))."""
    return torch.from_numpy(np.arange(max(lengths)) < np.array(lengths)[:, None])
