"""The encoder inside a saved pipeline: its config, its tokenizer's files, and its weights as safetensors."""

import json
from contextlib import suppress
from typing import Any, Dict, Optional

import torch
from spacy.util import make_tempdir
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerBase

from .folders import SAVED, check_transformers
from .opening import ATTENTIONS, OpenedEncoder, check_architecture, named_faults, quiet_transformers
from .saved_tokenizer import tokenizer_from_files, tokenizer_to_files, without_code
from .serialization import module_from_bytes, module_to_bytes, weights_dtype


def encoder_to_saved(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> Dict[str, Any]:
    """Return an encoder as data for msgpack, without anything that names code."""
    return {
        "config": without_code(model.config.to_dict()),
        "attention": model.config._attn_implementation,
        "tokenizer": tokenizer_to_files(tokenizer),
        "use_fast": tokenizer.is_fast,
        "weights": module_to_bytes(model),
    }


def encoder_from_saved(saved: Dict[str, Any], device: torch.device) -> OpenedEncoder:
    """Return the encoder that `encoder_to_saved` of this or an earlier version has saved, in evaluation mode.

    RAISES (CrossnerError): the data contains a forbidden file or setting of a tokenizer, or it is damaged.
    """
    config = without_code(saved["config"])
    with named_faults(SAVED):
        tokenizer = tokenizer_from_files(saved["tokenizer"], config, saved["use_fast"])
        model = make_encoder(config, saved.get("attention"), weights_dtype(saved["weights"]))
    module_from_bytes(model, saved["weights"], device)
    return OpenedEncoder(tokenizer, model.eval())


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
