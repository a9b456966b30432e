"""The files of a tokenizer inside a saved pipeline: an allow-list of names, and no setting that names code."""

import json
from pathlib import Path
from typing import Any, Dict

from spacy.util import make_tempdir
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ..errors import CrossnerError, Errors
from .folders import NO_TOKENIZER, SAVED, check_transformers, holds_vocabulary, is_plain_name, names_file

# Allowed suffixes of a tokenizer's files: settings, lists of words and merges, SentencePiece models. All other files
# are refused: Python, programs, pickles (.bin, .pt, .pkl). Before you add a suffix, add a check of the file's content.
SUFFIXES = (".json", ".txt", ".model", ".spm", ".codes", ".tiktoken", ".tokenizer", ".jinja")
SETTINGS = "tokenizer_config.json"
# The whole of a fast tokenizer.
FAST = "tokenizer.json"
# What transformers 5 calls a fast tokenizer without a class of its own; 4 and 5 know it by its old name.
NEW_CLASS, OLD_CLASS = "TokenizersBackend", "PreTrainedTokenizerFast"
# The encoder's config, which the pipeline saves separately.
CONFIG = "config.json"
# Settings that name code to run, or files that `names_file` does not check.
UNSAFE_KEYS = ("auto_map", "custom_pipelines")
UNSAFE_ENDS = ("_file", "_files", "attn_implementation", "attn_implementation_internal")


def without_code(settings: Any) -> Any:
    """Return settings without the settings that name code or files to read, at any depth."""
    if isinstance(settings, dict):
        return {
            key: without_code(value)
            for key, value in settings.items()
            if key not in UNSAFE_KEYS and not str(key).endswith(UNSAFE_ENDS) and not names_file(key, value)
        }
    return [without_code(value) for value in settings] if isinstance(settings, list) else settings


def stop_cutting(tokenizer: PreTrainedTokenizerBase) -> None:
    """Turn off truncation and padding of a fast tokenizer. For a slow tokenizer, they are arguments of each call.

    A tokenizer with both turned off is not touched: setting an option fails while another thread uses the tokenizer,
    even if the value stays the same.
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
    # Truncation and padding of the last call must not be saved as settings.
    stop_cutting(tokenizer)
    with make_tempdir() as folder:
        tokenizer.save_pretrained(str(folder))
        files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES}
    if SETTINGS in files:
        settings = without_code(json.loads(files[SETTINGS]))
        if settings.get("tokenizer_class") == NEW_CLASS:
            settings["tokenizer_class"] = OLD_CLASS
        files[SETTINGS] = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False).encode("utf8")
    return files


def tokenizer_from_files(files: Dict[str, bytes], config: Dict[str, Any], use_fast: bool) -> PreTrainedTokenizerBase:
    """Load a tokenizer from its files.

    files (Dict[str, bytes]): the files by name.
    config (Dict[str, Any]): the encoder's config, which names the class of the tokenizer if its files do not.
    use_fast (bool): whether it is a fast tokenizer.
    RAISES (CrossnerError): a file has a name that is not allowed for a tokenizer's file, the vocabulary is missing, or
        transformers does not read a config safely.
    """
    check_transformers()
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
    if tokenizer.vocab_files_names and not any(holds_vocabulary(Path(name)) for name in files):
        raise CrossnerError(Errors.C082.format(name=SAVED, problem=NO_TOKENIZER))
    if tokenizer.is_fast and FAST in files:
        # Some classes of transformers 5 take only the vocabulary from the file, and normalize and split by their own
        # rules, which may differ from those that the encoder was trained with.
        tokenizer._tokenizer = type(tokenizer.backend_tokenizer).from_str(files[FAST].decode("utf8"))
    return tokenizer
