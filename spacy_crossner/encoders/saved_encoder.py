"""The encoder inside a saved pipeline: created from its config alone, with random weights."""

import json
from contextlib import suppress
from typing import Any, Dict, Optional

import torch
from spacy.util import make_tempdir
from transformers import AutoConfig, AutoModel, PreTrainedModel

from .folders import SAVED, check_transformers
from .opening import ATTENTIONS, check_architecture, quiet_transformers


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
