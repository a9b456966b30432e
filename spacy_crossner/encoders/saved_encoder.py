"""The encoder inside a saved pipeline: its config, its tokenizer's files, and its weights as safetensors."""

import json
from contextlib import suppress
from typing import Any, Dict, Optional, Tuple

import srsly
import torch
from spacy.util import make_tempdir
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from ..storage.formats import check_format, with_format
from .folders import SAVED, check_transformers
from .letter_case import add_case, case_step
from .opening import ATTENTIONS, OpenedEncoder, check_architecture, named_faults, quiet_transformers
from .saved_tokenizer import tokenizer_from_files, tokenizer_to_files, without_code
from .serialization import module_from_bytes, module_to_bytes, weights_dtype


def saved_to_bytes(saved: Dict[str, Any]) -> bytes:
    """Return the data of an encoder as msgpack, with the format's version."""
    return srsly.msgpack_dumps(with_format(saved))


def saved_from_bytes(data: bytes) -> Dict[str, Any]:
    """Return the data that `saved_to_bytes` of this or an earlier version has written.

    RAISES (CrossnerError): a later version of this package has written it.
    """
    saved: Dict[str, Any] = srsly.msgpack_loads(data)
    check_format(saved, "encoder")
    return saved


def encoder_to_saved(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Dict[str, Any]:
    """Return an encoder as data for msgpack, without anything that names code."""
    return {
        **tokenizer_to_saved(tokenizer, model.config.to_dict()),
        "attention": model.config._attn_implementation,
        "letter_case": case_step(model) > 0,
        "weights": module_to_bytes(model),
    }


def encoder_from_saved(saved: Dict[str, Any], device: torch.device) -> OpenedEncoder:
    """Return the encoder that `encoder_to_saved` of this or an earlier version has saved, in evaluation mode.

    RAISES (CrossnerError): the data contains a forbidden file or setting of a tokenizer, or it is damaged.
    """
    tokenizer, config = tokenizer_from_saved(saved)
    with named_faults(SAVED):
        model = make_encoder(config, saved.get("attention"), weights_dtype(saved["weights"]))
    if saved.get("letter_case"):
        add_case(model)
    module_from_bytes(model, saved["weights"], device)
    return OpenedEncoder(tokenizer, model.eval())


def tokenizer_to_saved(tokenizer: PreTrainedTokenizerBase, config: Dict[str, Any]) -> Dict[str, Any]:
    """Return a tokenizer and the encoder's config as data for msgpack, without anything that names code.

    The config does not keep the folder that the encoder was read from. It may be a temporary one, so that two runs
    would save different bytes.
    """
    return {
        "config": {name: value for name, value in without_code(config).items() if name != "_name_or_path"},
        "tokenizer": tokenizer_to_files(tokenizer),
        "use_fast": tokenizer.is_fast,
    }


def tokenizer_from_saved(saved: Dict[str, Any]) -> Tuple[PreTrainedTokenizerBase, Dict[str, Any]]:
    """Return the tokenizer and the encoder's config that `tokenizer_to_saved` has saved.

    RAISES (CrossnerError): the data contains a forbidden file or setting of a tokenizer, or it is damaged.
    """
    config = without_code(saved["config"])
    with named_faults(SAVED):
        return tokenizer_from_files(saved["tokenizer"], config, saved["use_fast"]), config


def make_encoder(config: Dict[str, Any], attention: Optional[str], dtype: torch.dtype) -> PreTrainedModel:
    """Create an encoder with random weights.

    config (Dict[str, Any]): its config.
    attention (Optional[str]): the implementation of attention. All implementations give the same result. For None, or
        if this one is not available on this machine, transformers chooses.
    dtype (torch.dtype): type of the weights.
    RAISES (CrossnerError): the config does not describe an encoder, or transformers does not read it safely.
    """
    check_transformers()
    with make_tempdir() as folder:
        # Not written by srsly, which keeps nine decimals, so that a layer's epsilon of 1e-12 would become 0.
        (folder / "config.json").write_text(json.dumps(config), encoding="utf8")
        settings = AutoConfig.from_pretrained(str(folder / "config.json"), trust_remote_code=False)
    check_architecture(SAVED, settings)
    # `torch_dtype` is the name that all versions know. transformers 5 warns of it.
    with quiet_transformers():
        if attention in ATTENTIONS:
            with suppress(ImportError, ValueError):
                return AutoModel.from_config(
                    settings, torch_dtype=dtype, attn_implementation=attention, trust_remote_code=False
                )
        return AutoModel.from_config(settings, torch_dtype=dtype, trust_remote_code=False)
