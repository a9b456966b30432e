"""Static vectors, characters and a BiLSTM as a tok2vec layer for any head of this package or of spaCy."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from spacy.attrs import ORTH
from spacy.tokens import Doc
from spacy.vectors import Mode, Vectors
from spacy.vocab import Vocab
from thinc.api import ArgsKwargs, Model, get_torch_default_device, torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor, nn

from ..errors import CrossnerError, Errors
from ..tuning import BILSTM_CACHED_WORDS, BILSTM_CHUNK_TOKENS
from .bilstm_module import WordEncoder, encode_characters
from .chunks import chunk_by_length
from .module_shim import HeadShim
from .serialization import module_from_bytes, module_to_bytes

Tok2Vec = Model[List[Doc], List[Floats2d]]


def build_bilstm_tok2vec(
    hidden: int = 200,
    depth: int = 2,
    dropout: float = 0.3,
    tuned: bool = False,
    character_width: int = 30,
    character_filters: int = 0,
    most_characters: int = 40,
) -> Tok2Vec:
    """Build a BiLSTM on the vectors of the pipeline's vocabulary, and on characters.

    hidden (int): width of each direction; a token's vector has twice this width.
    depth (int): number of layers.
    dropout (float): dropout of its input and between its layers.
    tuned (bool): train the vectors, too. With floret vectors these are the rows of the table, which words with the same
        parts share.
    character_width (int): width of the character vectors.
    character_filters (int): width of the words' character features; 0 for none.
    most_characters (int): maximum number of characters of a word; of a longer word, half of them are its first
        characters and half its last ones.
    """
    settings = {
        "hidden": hidden,
        "depth": depth,
        "dropout": dropout,
        "character_width": character_width,
        "character_filters": character_filters,
    }
    return _build("bilstm_tok2vec", settings, tuned, most_characters)


def build_word_vectors_tok2vec(
    dropout: float = 0.0,
    tuned: bool = False,
    character_width: int = 30,
    character_filters: int = 50,
    most_characters: int = 40,
) -> Tok2Vec:
    """Build the layers below the BiLSTM of `build_bilstm_tok2vec`: the vector of a token's word and its characters.

    dropout (float): dropout of the output.
    tuned (bool): train the vectors, too; see `build_bilstm_tok2vec`.
    character_width (int): width of the character vectors.
    character_filters (int): width of the words' character features; 0 for none.
    most_characters (int): maximum number of characters of a word; of a longer word, half of them are its first
        characters and half its last ones.
    """
    settings = {
        "hidden": 0,
        "depth": 0,
        "dropout": dropout,
        "character_width": character_width,
        "character_filters": character_filters,
    }
    return _build("word_vectors_tok2vec", settings, tuned, most_characters)


def _build(name: str, settings: Dict[str, Any], tuned: bool, most_characters: int) -> Tok2Vec:
    # `init` makes the module, when the vectors are known.
    shim = HeadShim(nn.Module(), serialize_model=module_to_bytes, deserialize_model=partial(load_module, settings))
    model: Tok2Vec = Model(
        name,
        forward,
        init=partial(init, settings),
        shims=[shim],
        dims={"nO": 2 * settings["hidden"] if settings["depth"] else None},
        attrs={"lexicon": Lexicon(tuned), "most_characters": most_characters},
    )
    return model


class Lexicon:
    """A cache of the vectors of words or, with tuned vectors, of their rows in the table.

    tuned (bool): cache rows of the table instead of vectors.
    """

    def __init__(self, tuned: bool) -> None:
        self.tuned = tuned
        # The vectors, and the cache of words from them. A single tuple, because another thread may replace it.
        self.cached: Tuple[Optional[Vectors], Dict[int, NDArray[Any]]] = (None, {})

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Lexicon":
        """Return an empty cache: the copy of a model may be used with another vocabulary."""
        return Lexicon(self.tuned)

    def look_up(self, vocab: Vocab, keys: List[int]) -> List[NDArray[Any]]:
        """Return the vector of each word or, with `tuned`, the rows of the table whose mean is the vector.

        A word that is missing in a table of whole words has the vector 0, and no rows.
        """
        vectors, cached = self.cached
        if vocab.vectors is not vectors or len(cached) > BILSTM_CACHED_WORDS:
            cached = {}
            self.cached = (vocab.vectors, cached)
        new = [key for key in keys if key not in cached]
        if new:
            find = table_rows if self.tuned else word_vectors
            cached.update(zip(new, find(vocab, new), strict=True))
        return [cached[key] for key in keys]


def word_vectors(vocab: Vocab, keys: List[int]) -> NDArray[np.float32]:
    """Return the vectors of words, 0 for words without a vector, shape (n_words, width)."""
    on_device = vocab.vectors.get_batch(keys)
    vectors = np.array(on_device.get() if hasattr(on_device, "get") else on_device, dtype=np.float32)
    if vocab.vectors.mode == Mode.default:
        vectors[np.asarray(vocab.vectors.find(keys=keys)) < 0] = 0
    return vectors


def table_rows(vocab: Vocab, keys: List[int]) -> List[NDArray[np.int64]]:
    """Return for each word the rows of the table whose mean is its vector."""
    vectors = vocab.vectors
    if vectors.mode == Mode.default:
        return [np.array([row] if row >= 0 else [], dtype=np.int64) for row in vectors.find(keys=keys).tolist()]
    n_rows = vectors.shape[0]
    return [
        np.array(
            [code % n_rows for ngram in vectors._get_ngrams(word) for code in vectors._get_ngram_hashes(ngram)],
            dtype=np.int64,
        )
        for word in (vocab.strings[key] for key in keys)
    ]


def init(settings: Dict[str, Any], model: Tok2Vec, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Make the module for the vectors of the docs' vocabulary.

    RAISES (CrossnerError): there are neither vectors nor character features.
    """
    if not X:
        return
    vectors = X[0].vocab.vectors
    n_rows, width = vectors.shape
    if not width and not settings["character_filters"]:
        raise CrossnerError(Errors.C030)
    tuned = model.attrs["lexicon"].tuned and width
    module = WordEncoder(width, n_rows if tuned else 0, **settings)
    if module.table is not None:
        data = vectors.data.get() if hasattr(vectors.data, "get") else vectors.data
        with torch.no_grad():
            module.table.weight.copy_(torch.from_numpy(np.asarray(data, dtype=np.float32)))
    model.shims[0]._model = module.to(get_torch_default_device())
    if not settings["depth"]:
        model.set_dim("nO", width + settings["character_filters"], force=True)


def load_module(settings: Dict[str, Any], module: nn.Module, data: bytes, device: torch.device) -> nn.Module:
    """Make the module for the shapes of saved weights, and load the weights."""
    state = load(data)
    if "lstm.weight_ih_l0" in state:
        width = state["lstm.weight_ih_l0"].shape[1]
    elif "input_width" in state:
        width = int(state["input_width"])
    else:
        # The model was saved before it was initialized.
        return module
    rows, width = state["table.weight"].shape if "table.weight" in state else (0, width - settings["character_filters"])
    return module_from_bytes(WordEncoder(width, rows, **settings), data, device)


def forward(model: Tok2Vec, docs: List[Doc], is_train: bool) -> Tuple[List[Floats2d], Callable[[Any], List[Doc]]]:
    """Encode docs. The output for a doc without tokens has no rows."""
    shim = cast(HeadShim, model.shims[0])
    if not isinstance(shim._model, WordEncoder):
        raise CrossnerError(Errors.C031)
    lengths = [len(doc) for doc in docs]
    full = [doc for doc in docs if len(doc)]
    width = model.maybe_get_dim("nO") or 0
    if not full:
        return [model.ops.alloc2f(0, width) for _ in docs], lambda d_vectors: []
    if is_train:
        flat, backprop_torch = shim(encode_docs(model, full), is_train=True)
    else:
        flat, backprop_torch = predict_flat(model, shim, full), None
    vectors = model.ops.unflatten(cast(Floats2d, torch2xp(flat)), model.ops.asarray1i(lengths))

    def backprop(d_vectors: List[Floats2d]) -> List[Doc]:
        assert backprop_torch is not None
        d_flat = model.ops.xp.concatenate([rows for rows in d_vectors if len(rows)])
        backprop_torch(ArgsKwargs(args=((flat,),), kwargs={"grad_tensors": [xp2torch(d_flat, device=flat.device)]}))
        return []

    return vectors, backprop


def predict_flat(model: Tok2Vec, shim: HeadShim, docs: List[Doc]) -> Tensor:
    """Encode docs in chunks of similar lengths; return the vectors of all tokens in order."""
    by_doc: List[Optional[Tensor]] = [None] * len(docs)
    for chunk in chunk_by_length([len(doc) for doc in docs], BILSTM_CHUNK_TOKENS):
        chunk_docs = [docs[i] for i in chunk]
        flat, _ = shim(encode_docs(model, chunk_docs), is_train=False)
        for i, rows in zip(chunk, flat.split([len(doc) for doc in chunk_docs]), strict=True):
            by_doc[i] = rows
    return torch.cat(cast(List[Tensor], by_doc))


def encode_docs(model: Tok2Vec, docs: List[Doc]) -> ArgsKwargs:
    """Return the inputs of the module: each distinct word once, and the index of each token's word among them."""
    vocab = docs[0].vocab
    shim = cast(HeadShim, model.shims[0])
    module, device = cast(WordEncoder, shim._model), shim.device
    lexicon = cast(Lexicon, model.attrs["lexicon"])
    # The vectors may be looked up by another attribute, such as LOWER. The characters always come from the token text.
    tokens = np.concatenate([doc.to_array([ORTH, vocab.vectors.attr]) for doc in docs])
    # Both attributes are hashes; their combination is a hash of the pair.
    _, first, words = np.unique(tokens[:, 0] ^ (tokens[:, 1] << np.uint64(1)), return_index=True, return_inverse=True)
    kwargs: Dict[str, Tensor] = {}
    if module.vector_width:
        of_words = lexicon.look_up(vocab, tokens[first, 1].tolist())
        if lexicon.tuned:
            kwargs["rows"] = torch.from_numpy(np.concatenate(of_words)).to(device)
            offsets = np.cumsum([0, *(len(rows) for rows in of_words[:-1])])
            kwargs["offsets"] = torch.from_numpy(offsets).to(device)
        else:
            kwargs["vectors"] = torch.from_numpy(np.stack(of_words)).to(device)
    if module.characters is not None:
        texts = [vocab.strings[key] for key in tokens[first, 0].tolist()]
        kwargs["characters"] = encode_characters(texts, model.attrs["most_characters"]).to(device)
    lengths = torch.tensor([len(doc) for doc in docs])
    return ArgsKwargs(args=(torch.from_numpy(words).to(device), lengths), kwargs=kwargs)
