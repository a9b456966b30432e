"""The fingerprint of a training: its settings, and the contents of what its settings name."""

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from spacy import util

from ..storage.installed import pipeline_package
from .contents import WORKING_FOLDER, path_digest
from .encoders import encoder_digest
from .packages import version_fingerprint
from .record import Fingerprint

# Sections of a config that name what training reads. All other settings are referred to by these, or name an output.
SECTIONS = ("components.", "corpora.", "initialize.", "nlp.", "training.")
WRITTEN = "training.logger."
# Last parts of the names of settings whose values are files, folders or packages, in whatever form they are written.
PATH_SETTINGS = ("path", "paths", "vectors", "source", "tokenizer", "vocab", "init_tok2vec")


def take_fingerprint(config: Dict[str, Any], output: Path, use_gpu: int = -1, **options: Any) -> Fingerprint:
    """Return the settings, the digests of files, folders and encoders, and the versions that a training depends on.

    config (Dict[str, Any]): the complete config, interpolated, with all overrides.
    output (Path): the folder of the run, which is left out of a folder that is read.
    use_gpu (int): GPU, -1 for CPU; which GPU makes no difference.
    options (Any): further inputs, by name.
    """
    settings = util.dict_to_dot(config)
    fingerprint = {name: json.dumps(value, default=str) for name, value in {**settings, **options}.items()}
    fingerprint.update(named_contents(settings, [output]))
    fingerprint.update(version_fingerprint())
    fingerprint["the device"] = "GPU" if use_gpu >= 0 else "CPU"
    return fingerprint


def named_contents(
    settings: Mapping[str, Any], without: Sequence[Path] = (), folder: Path = WORKING_FOLDER
) -> Fingerprint:
    """Return the digests of the files, folders, packages and encoders that the settings of a config name.

    settings (Mapping[str, Any]): the settings by dotted name.
    without (Sequence[Path]): files and folders to leave out.
    folder (Path): the folder that relative paths start from.
    """
    contents = {}
    paths = {text for name, value in settings.items() if name.startswith("paths.") for text in _strings(value)}
    for name, value in settings.items():
        if name.startswith(SECTIONS) and not name.startswith(WRITTEN):
            for text in _strings(value):
                digest = _content_digest(name, text, without, folder, is_path=text in paths)
                if digest:
                    contents[f"the content of {text}"] = digest
    return contents


def _content_digest(setting: str, text: str, without: Sequence[Path], folder: Path, is_path: bool) -> str:
    """Return the digest of what a setting names; "" if it names nothing.

    setting (str): the setting's dotted name.
    text (str): its value.
    without (Sequence[Path]): files and folders to leave out.
    folder (Path): the folder that relative paths start from.
    is_path (bool): whether the same value stands in the section `paths`.
    """
    if setting.startswith("components.") and setting.endswith(".name"):
        return encoder_digest(text, folder, without)
    # Any other value, such as a domain or a factory, may happen to be the name of an existing folder.
    looks_like_path = any(mark in text for mark in "/\\.") or setting.rpartition(".")[2] in PATH_SETTINGS
    # `os.path.exists` accepts any string; `Path.exists` raises an error on one that is too long for a path.
    if (is_path or looks_like_path) and os.path.exists(folder / text):
        return path_digest(folder / text, without)
    if setting.endswith(".source") or setting.startswith("initialize."):
        package = pipeline_package(text)
        return path_digest(package) if package else ""
    return ""


def _strings(value: Any) -> List[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [text for text in values if isinstance(text, str) and text]
