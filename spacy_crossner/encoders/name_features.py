"""`spacy_crossner.NameFeatures.v1`: the vectors of a tok2vec layer, with features of the names that lists hold."""

from functools import partial
from typing import Any, Callable, List, Optional, Sequence, Tuple, Union, cast

from spacy.tokens import Doc
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import Floats2d

from ..annotations.words import see_words, tokens_of_words
from ..errors import CrossnerError, Errors
from ..text.typed_names import read_typed_names
from ..threads import use_ops_of
from .name_shim import NameShim

NAME = "name_features"
ARCHITECTURE = "spacy_crossner.NameFeatures.v1"

Tok2Vec = Model[List[Doc], List[Floats2d]]


def build_name_features(
    tok2vec: Tok2Vec,
    names: Union[str, List[str], None] = None,
    drop: float = 0.3,
    ignore_case: bool = False,
) -> Tok2Vec:
    """Build a layer that adds features of names to the vectors of another layer.

    A word of a mention gets a vector for each type of the name, one for the first word of a mention and one for the
    others; see `NameGate`. The lists are read when the pipeline is initialized, and saved with it.

    tok2vec (Model): the other layer.
    names (Union[str, List[str], None]): one list or several, with a name, a tab and a type on each line; see
        `read_entities`. Without lists, the other layer is returned as it is.
    drop (float): probability that a mention has no features in training, so that the model also learns from the text.
    ignore_case (bool): ignore case in names and text.
    RAISES (CrossnerError): a setting has an invalid value.
    """
    if names is None:
        return tok2vec
    lists = _lists(names)
    if not lists or not all(lists):
        raise CrossnerError(Errors.C617.format(names=names))
    if not 0 <= drop < 1:
        raise CrossnerError(Errors.C618.format(drop=drop))
    return Model(
        NAME,
        forward,
        init=partial(read_names, lists),
        layers=[tok2vec],
        dims={"nO": None},
        shims=[NameShim(drop, ignore_case=ignore_case)],
    )


def add_name_features(
    tok2vec: Tok2Vec, width: int, names: Union[str, List[str]], drop: float = 0.3, ignore_case: bool = False
) -> Tok2Vec:
    """Return a trained layer with new features of names above it. Features that it has are replaced.

    tok2vec (Model): the layer.
    width (int): the width of its vectors.
    names, drop, ignore_case: see `build_name_features`.
    RAISES (CrossnerError): a setting has an invalid value, or a list cannot be read or has no types.
    """
    below = cast(Tok2Vec, tok2vec.layers[0]) if name_shim(tok2vec) else tok2vec
    model = build_name_features(below, names, drop, ignore_case)
    # Not `initialize`, which may give the layer below new weights.
    cast(NameShim, model.shims[0]).open(read_typed_names(_lists(names), ignore_case=ignore_case), width)
    model.set_dim("nO", width)
    return model


def _lists(names: Union[str, List[str]]) -> List[str]:
    return [names] if isinstance(names, str) else list(names)


def read_names(lists: Sequence[str], model: Tok2Vec, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Initialize the layer below and read the lists of a layer, unless it has names."""
    tok2vec, shim = model.layers[0], cast(NameShim, model.shims[0])
    tok2vec.initialize(X=X)
    width = tok2vec.maybe_get_dim("nO") or (tok2vec.predict(X)[0].shape[1] if X else None)
    if width and not shim.is_open:
        shim.open(read_typed_names(lists, ignore_case=shim.ignore_case), width)
    if width:
        model.set_dim("nO", width, force=True)


def name_shim(tok2vec: Model[Any, Any]) -> Optional[NameShim]:
    """Return the names of a layer of this module; None for any other layer."""
    return cast(NameShim, tok2vec.shims[0]) if tok2vec.name == NAME else None


def forward(
    model: Tok2Vec, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Return the vectors of the tokens of each doc, shape (n_tokens, width)."""
    shim = cast(NameShim, model.shims[0])
    rows, backprop_rows = model.layers[0](docs, is_train)
    words = see_words(docs)
    marks = shim.find(words, is_train=is_train)
    if marks is None:
        return rows, backprop_rows
    # Blank tokens have rows, too.
    marks = marks._replace(words=tokens_of_words(words)[marks.words])
    with use_ops_of(model):
        lengths = model.ops.asarray1i([len(doc) for doc in docs])
        flat = xp2torch(_join(model, rows))
        if is_train:
            vectors, backprop_marked = shim.begin_marked(flat, marks)
        else:
            vectors = shim.predict_marked(flat, marks)

        def backprop(d_rows: List[Floats2d]) -> List[Doc]:
            d_flat = backprop_marked(xp2torch(_join(model, d_rows), device=vectors.device))
            return backprop_rows(model.ops.unflatten(cast(Floats2d, torch2xp(d_flat)), lengths))

        return model.ops.unflatten(cast(Floats2d, torch2xp(vectors)), lengths), backprop


def _join(model: Tok2Vec, rows: List[Floats2d]) -> Floats2d:
    # The rows of docs without tokens may have width 0.
    return cast(Floats2d, model.ops.xp.concatenate([each for each in rows if len(each)]))
