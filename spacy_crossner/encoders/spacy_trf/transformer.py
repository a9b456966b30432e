"""Hugging Face encoders in a pipeline: spacy-transformers' layers, saved as safetensors, for docs of any length."""

import copy
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

from spacy.tokens import Doc, Span
from spacy.util import SimpleFrozenDict
from spacy_transformers.align import get_alignment, get_alignment_via_offset_mapping
from spacy_transformers.data_classes import FullTransformerBatch, HFObjects
from spacy_transformers.layers import TransformerModel, split_trf_batch, trfs2arrays
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.util import maybe_flush_pytorch_cache
from thinc.api import Model, Shim, chain
from thinc.types import Floats2d, Ragged

from ...annotations.words import see_words
from ...threads import use_ops_of
from ..opening import named_faults, open_encoder
from ..piece_windows import PieceWindows, tokenize_windows
from ..pooling import guard_pooling
from .alignment import align_tokens, keep_best_windows, split_whole_docs
from .tensors import convert_inputs, convert_outputs, to_wordpieces
from .transformer_shim import SafetensorsShim

SpanGetter = Callable[[List[Doc]], List[List[Span]]]

NO_SETTINGS: Dict[str, Any] = SimpleFrozenDict()


class SafeTransformerModel(TransformerModel):
    """spacy-transformers' encoder layer, saved as safetensors. See `build_transformer_model`."""

    def __init__(
        self,
        name: str,
        get_spans: SpanGetter,
        tokenizer_config: Dict[str, Any],
        transformer_config: Dict[str, Any],
        mixed_precision: bool = False,
        grad_scaler_config: Optional[Dict[str, Any]] = None,
        max_pieces: Optional[int] = None,
    ) -> None:
        # Copies, because spacy-transformers changes these dicts.
        grad_scaler = dict(grad_scaler_config or {})
        super().__init__(
            name, get_spans, dict(tokenizer_config), dict(transformer_config), mixed_precision, grad_scaler
        )
        wrapper = self.layers[0]
        objects = cast(HFShim, wrapper.shims[0])._hfmodel
        wrapper.shims[0] = SafetensorsShim(objects, mixed_precision, grad_scaler, max_pieces)
        wrapper.attrs.update(convert_inputs=convert_inputs, convert_outputs=convert_outputs)
        self._func = encode
        self.attrs["replace_listener_cfg"] = replace_listener_config
        self.init = init_encoder

    def copy(self) -> Any:
        """Return a copy with its own weights; `replace_listeners` calls this."""
        copied = SafeTransformerModel(self.attrs["name"], self.attrs["get_spans"], {}, {})
        copied.attrs.update(self.attrs)
        if self.has_dim("nO"):
            copied.set_dim("nO", self.get_dim("nO"))
        copied.layers[0] = copy.deepcopy(self.layers[0])
        # A deep copy keeps the shim's id, and an optimizer would mix up the states of the two encoders.
        shim = copied.layers[0].shims[0]
        Shim.global_id += 1
        shim.id = Shim.global_id
        return copied


def encode(
    model: TransformerModel, docs: List[Doc], is_train: bool
) -> Tuple[FullTransformerBatch, Callable[[FullTransformerBatch], List[Doc]]]:
    """Run the encoder on the windows of docs, like spacy-transformers' `forward`, but without dropping word pieces.

    Windows that are too long for the encoder are cut, see `tokenize_windows`. A token in several windows gets its
    vector from the window in which it has most context, see `keep_best_windows`. Blank tokens are left out, see
    `annotations.words`, because some tokenizers split a word differently after a line break and after a space.
    """
    tokenizer = cast(SafetensorsShim, model.layers[0].shims[0]).tokenizer
    get_spans = model.attrs["get_spans"]
    # A doc of blank tokens only is encoded with them.
    seen = see_words(docs)
    places = [words.places if len(words) else None for words in seen]
    seen_docs = [words.doc if len(words) else words.source for words in seen]
    windows = get_spans.cut(seen_docs, tokenizer) if isinstance(get_spans, PieceWindows) else get_spans(seen_docs)
    windows, pieces = tokenize_windows(windows, tokenizer)
    if pieces is None:
        return FullTransformerBatch.empty(len(docs)), lambda d_output: docs
    maybe_flush_pytorch_cache(chance=model.attrs["flush_cache_chance"])
    flat = [span for spans in windows for span in spans]
    wordpieces = to_wordpieces(pieces)
    if "offset_mapping" in pieces:
        align = get_alignment_via_offset_mapping(flat, pieces["offset_mapping"])
    else:
        align = get_alignment(flat, wordpieces.strings, tokenizer.tokenizer.all_special_tokens)
    align = keep_best_windows(align, windows, wordpieces.input_ids.shape[1])
    with use_ops_of(model):
        output, backprop_output = model.layers[0](wordpieces, is_train)

    def backprop(d_output: FullTransformerBatch) -> List[Doc]:
        backprop_output(d_output.model_output)
        return docs

    doc_data = split_whole_docs(seen_docs, windows, wordpieces, output, align)
    batch = FullTransformerBatch(windows, wordpieces, output, align, cached_doc_data=doc_data)
    if any(of_doc is not None for of_doc in places):
        batch.cached_doc_data = [
            align_tokens(data, len(doc), of_doc) for data, doc, of_doc in zip(batch.doc_data, docs, places, strict=True)
        ]
    return batch, backprop


def init_encoder(model: TransformerModel, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Load the pre-trained encoder.

    RAISES (CrossnerError): there is no encoder of this name, or it cannot be used.
    """
    if model.attrs["has_transformer"]:
        return
    name = model.attrs["name"]
    opened = open_encoder(name, model._init_tokenizer_config, model._init_transformer_config)
    model.attrs["set_transformer"](model, HFObjects(opened.tokenizer, opened.model, None))
    shim = cast(SafetensorsShim, model.layers[0].shims[0])
    with named_faults(name):
        # A sample output sets the width. The docs are not used, because a long doc would be encoded without windows.
        output = model.layers[0].predict(to_wordpieces(shim.tokenizer(["hello world", "foo bar"])))
    model.set_dim("nO", output.last_hidden_state.shape[-1], force=True)


def replace_listener_config(encoder_config: Dict[str, Any], listener_config: Dict[str, Any]) -> Dict[str, Any]:
    """Return the config of the inline encoder that replaces a listener."""
    inline: Dict[str, Any] = {key: listener_config[key] for key in ("pooling", "grad_factor") if key in listener_config}
    return {**encoder_config, **inline, "@architectures": "spacy_crossner.Tok2VecTransformer.v1"}


def build_transformer_model(
    name: str,
    get_spans: SpanGetter,
    tokenizer_config: Dict[str, Any] = NO_SETTINGS,
    transformer_config: Dict[str, Any] = NO_SETTINGS,
    mixed_precision: bool = False,
    grad_scaler_config: Dict[str, Any] = NO_SETTINGS,
    max_pieces: Optional[int] = None,
) -> Model[List[Doc], FullTransformerBatch]:
    """Build the encoder of a `transformer` component: spacy-transformers' TransformerModel.v3 with safe files.

    name (str): see `find_encoder`.
    get_spans (SpanGetter): cuts docs into the sequences that the encoder sees: `PieceWindows`, or any span getter.
    tokenizer_config (Dict[str, Any]): settings of the tokenizer.
    transformer_config (Dict[str, Any]): settings of the encoder.
    mixed_precision (bool): half precision on GPU.
    grad_scaler_config (Dict[str, Any]): gradient scaling for mixed precision.
    max_pieces (Optional[int]): maximum number of word pieces, padding included, in one forward pass at prediction. A
        longer window is a pass by itself. It bounds the memory for activations. None for a size that is fast on the
        device.
    RAISES (CrossnerError): max_pieces is below 1.
    """
    return SafeTransformerModel(
        name, get_spans, tokenizer_config, transformer_config, mixed_precision, grad_scaler_config, max_pieces
    )


def build_tok2vec_transformer(
    name: str,
    get_spans: SpanGetter,
    pooling: Model[Ragged, Floats2d],
    grad_factor: float = 1.0,
    tokenizer_config: Dict[str, Any] = NO_SETTINGS,
    transformer_config: Dict[str, Any] = NO_SETTINGS,
    mixed_precision: bool = False,
    grad_scaler_config: Dict[str, Any] = NO_SETTINGS,
    max_pieces: Optional[int] = None,
) -> Model[List[Doc], List[Floats2d]]:
    """Build an encoder inside a component, not shared with other components; see `build_transformer_model`.

    pooling (Model): combines the vectors of a token's word pieces into one.
    grad_factor (float): factor on the gradient of the encoder.
    """
    encoder = SafeTransformerModel(
        name, get_spans, tokenizer_config, transformer_config, mixed_precision, grad_scaler_config, max_pieces
    )
    # A chain in a chain: the structure that `replace_listeners` gives a listener.
    inner: Model[Any, Any] = chain(encoder, split_trf_batch())
    tok2vec: Model[List[Doc], List[Floats2d]] = chain(inner, trfs2arrays(pooling, grad_factor))
    guard_pooling(tok2vec)
    return tok2vec
