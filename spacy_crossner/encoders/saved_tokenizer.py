"""The files of a tokenizer inside a saved pipeline: which names they may have, and none of them with code."""

import json
from pathlib import Path
from typing import Any, Dict

from spacy.util import make_tempdir
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ..errors import CrossnerError, Errors
from .folders import is_plain_name, names_file

# What tokenizers are saved as: settings, lists of words and merges, SentencePiece models. Everything else is refused:
# Python, programs, pickles (.bin, .pt, .pkl). Files of another kind join the list by name, with a check of what is in
# them.
SUFFIXES = (".json", ".txt", ".model", ".spm", ".codes", ".tiktoken", ".tokenizer", ".jinja")
SETTINGS = "tokenizer_config.json"
# The encoder's own config has a place of its own.
CONFIG = "config.json"
# Settings that name code to run, or files beside those of `names_file`.
UNSAFE_KEYS = ("auto_map", "custom_pipelines")
UNSAFE_ENDS = ("_file", "_files", "attn_implementation", "attn_implementation_internal")


def without_code(settings: Any) -> Any:
    """Return settings, at any depth, without those that name code, or files to read in place of those beside them."""
    if isinstance(settings, dict):
        return {
            key: without_code(value)
            for key, value in settings.items()
            if key not in UNSAFE_KEYS and not str(key).endswith(UNSAFE_ENDS) and not names_file(key, value)
        }
    return [without_code(value) for value in settings] if isinstance(settings, list) else settings


def stop_cutting(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a fast tokenizer neither cut nor pad; a slow one does as each call says.

    A tokenizer that does neither is left alone: it cannot be changed, not even to what it is, while a thread uses it.
    """
    if not tokenizer.is_fast:
        return
    backend = tokenizer.backend_tokenizer
    if backend.truncation is not None:
        backend.no_truncation()
    if backend.padding is not None:
        backend.no_padding()


def tokenizer_to_files(tokenizer: PreTrainedTokenizerBase) -> Dict[str, bytes]:
    """Return the files of a tokenizer by name."""
    # How the last call cut and padded is no setting of the tokenizer.
    stop_cutting(tokenizer)
    with make_tempdir() as folder:
        tokenizer.save_pretrained(str(folder))
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}
    if SETTINGS in files:
        settings = without_code(json.loads(files[SETTINGS]))
        files[SETTINGS] = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False).encode("utf8")
    return files


def tokenizer_from_files(files: Dict[str, bytes], config: Dict[str, Any], use_fast: bool) -> PreTrainedTokenizerBase:
    """Load a tokenizer from its files.

    files (Dict[str, bytes]): the files by name.
    config (Dict[str, Any]): the encoder's config, which says what kind of tokenizer it is where its files do not.
    use_fast (bool): whether it is a fast one.
    RAISES (CrossnerError): a file has a name that no tokenizer's file has.
    """
    for name, content in files.items():
        if not is_plain_name(name):
            raise CrossnerError(Errors.C011.format(name=name))
        if Path(name).suffix not in SUFFIXES or name == CONFIG or not isinstance(content, bytes):
            raise CrossnerError(Errors.C086.format(name=name))
    with make_tempdir() as folder:
        for name, content in files.items():
            if name == SETTINGS:
                content = json.dumps(without_code(json.loads(content)), ensure_ascii=False).encode("utf8")
            (folder / name).write_bytes(content)
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf8")
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(folder), use_fast=use_fast, trust_remote_code=False
        )
    return tokenizer
