"""`spacy_crossner.Encoder.v1`: a Hugging Face encoder inside a component, from docs to token vectors.

The vectors of all words of a batch are one tensor. A component of this package takes this tensor. Another layer, or
spaCy's `Tok2Vec` and its listeners, take one array for each doc, as from any tok2vec layer.
"""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple, Union, cast

from spacy.tokens import Doc
from spacy.util import SimpleFrozenDict
from thinc.api import Model, Shim, torch2xp, xp2torch
from thinc.types import Floats2d

from ..annotations.words import WordBatch, see_words, tokens_of_words
from ..threads import use_ops_of
from .encoder_shim import EncoderShim
from .fresh_layers import renew_layers
from .letter_case import add_case, ignores_case
from .name_features import build_name_features
from .opening import open_encoder
from .word_encoder import EncoderSettings, WordEncoder

NAME = "crossner_encoder"
ARCHITECTURE = "spacy_crossner.Encoder.v1"
NO_SETTINGS: Dict[str, Any] = SimpleFrozenDict()

EncoderModel = Model[List[Doc], List[Floats2d]]


def make_layer(shim: Shim, init: Callable[..., None]) -> EncoderModel:
    """Return a tok2vec layer whose shim is a `WordEncoder`."""
    return Model(NAME, forward, init=init, dims={"nO": None}, shims=[shim])


def build_encoder(
    name: str,
    pooling: str = "mean",
    pieces: int = 192,
    overlap: int = 48,
    precision: str = "auto",
    train_precision: Optional[str] = None,
    max_pieces: Optional[int] = None,
    fresh_layers: int = 0,
    letter_case: Optional[bool] = None,
    tokenizer_config: Dict[str, Any] = NO_SETTINGS,
    transformer_config: Dict[str, Any] = NO_SETTINGS,
    names: Union[str, List[str], None] = None,
    names_drop: float = 0.3,
) -> EncoderModel:
    """Build a pre-trained encoder as a tok2vec layer.

    name (str): see `find_encoder`.
    pooling, pieces, overlap, precision, train_precision, max_pieces: see `EncoderSettings`.
    fresh_layers (int): number of top layers that begin training with new random weights; see `renew_layers`.
    letter_case (Optional[bool]): let the encoder take the letter case of words, see `CaseEmbedding`; None: if the
        pieces of its tokenizer do not depend on it.
    tokenizer_config (Dict[str, Any]): settings of the tokenizer.
    transformer_config (Dict[str, Any]): settings of the encoder. `num_hidden_layers` leaves out the layers above.
    names (Union[str, List[str], None]): name lists, whose names are features of words; see `build_name_features`.
    names_drop (float): the same as `drop` there.
    RAISES (CrossnerError): a setting has an invalid value.
    """
    shim = EncoderShim(EncoderSettings(pooling, pieces, overlap, precision, train_precision, max_pieces))
    settings = dict(tokenizer_config), dict(transformer_config)
    layer = make_layer(shim, partial(open_layer, name, *settings, fresh_layers, letter_case))
    return build_name_features(layer, names, names_drop)


def open_layer(
    name: str,
    tokenizer_config: Dict[str, Any],
    transformer_config: Dict[str, Any],
    fresh_layers: int,
    letter_case: Optional[bool],
    model: EncoderModel,
    X: Optional[List[Doc]] = None,
    Y: Any = None,
) -> None:
    """Open the encoder of a layer, unless it is open. A function of the module, so that a pipeline can be pickled."""
    shim = cast(EncoderShim, model.shims[0])
    if not shim.is_open:
        tokenizer, module = open_encoder(name, tokenizer_config, transformer_config)
        renew_layers(module, fresh_layers)
        if ignores_case(tokenizer) if letter_case is None else letter_case:
            add_case(module)
        shim.open(tokenizer, module)
    model.set_dim("nO", shim.width, force=True)


def word_encoder(tok2vec: Model[Any, Any]) -> Optional[WordEncoder]:
    """Return the encoder of a tok2vec layer that `make_layer` has made; None for any other layer."""
    return cast(WordEncoder, tok2vec.shims[0]) if tok2vec.name == NAME else None


def forward(
    model: EncoderModel, docs: List[Doc], is_train: bool
) -> Tuple[List[Floats2d], Callable[[List[Floats2d]], List[Doc]]]:
    """Return the vectors of the tokens of each doc, shape (n_tokens, width); 0 at blank tokens."""
    shim = cast(EncoderShim, model.shims[0])
    words = see_words(docs)
    if not len(words.columns):
        empty = [model.ops.alloc2f(len(doc), shim.width) for doc in docs]
        return empty, lambda d_rows: docs
    with use_ops_of(model):
        if is_train:
            vectors, _, backprop_words = shim.begin_words(words)
        else:
            vectors = shim.predict_words(words)
        flat = cast(Floats2d, torch2xp(vectors))
        rows = flat if _is_complete(words) else _spread(model, flat, words)

        def backprop(d_rows: List[Floats2d]) -> List[Doc]:
            gradient = model.ops.xp.concatenate(d_rows)
            if not _is_complete(words):
                gradient = gradient[model.ops.xp.asarray(tokens_of_words(words))]
            backprop_words(xp2torch(gradient, device=shim.input_device), None)
            return docs

        lengths = model.ops.asarray1i([len(each.columns) for each in words])
        return model.ops.unflatten(rows, lengths), backprop


def _is_complete(words: WordBatch) -> bool:
    return all(each.places is None for each in words)


def _spread(model: EncoderModel, flat: Floats2d, words: WordBatch) -> Floats2d:
    """Return rows for all tokens, given rows for the words; 0 at blank tokens."""
    rows = model.ops.alloc2f(sum(len(each.columns) for each in words), flat.shape[1])
    rows[model.ops.xp.asarray(tokens_of_words(words))] = flat
    return rows
