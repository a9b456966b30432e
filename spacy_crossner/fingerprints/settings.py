"""The fingerprint of a training run: its settings, and the contents of the files that they name."""

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

# Config sections that name inputs of training. Other sections are only referred to by these, or name outputs.
SECTIONS = ("components.", "corpora.", "initialize.", "nlp.", "training.")
WRITTEN = "training.logger."
# Settings (last part of the name) whose values are files, folders or packages, even if they do not look like paths.
PATH_SETTINGS = ("path", "paths", "vectors", "source", "tokenizer", "vocab", "init_tok2vec", "names")


def take_fingerprint(config: Dict[str, Any], output: Path, use_gpu: int = -1, **options: Any) -> Fingerprint:
    """Return the fingerprint of a training run: settings, digests of files, folders and encoders, and versions.

    config (Dict[str, Any]): the complete, interpolated config with all overrides.
    output (Path): the output folder. It is left out if it is inside an input folder.
    use_gpu (int): GPU, -1 for the CPU. The number of the GPU has no effect.
    options (Any): further inputs by name.
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
    folder (Path): the base folder of relative paths.
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
    """Return the digest of the file, folder, package or encoder that a setting names; "" if it names none.

    setting (str): the setting's dotted name.
    text (str): its value.
    without (Sequence[Path]): files and folders to leave out.
    folder (Path): the base folder of relative paths.
    is_path (bool): whether the section `paths` contains the same value.
    """
    if setting.startswith("components.") and setting.endswith(".name"):
        return encoder_digest(text, folder, without)
    # Other values, such as a domain or a factory, may equal the name of an existing folder by coincidence.
    looks_like_path = any(mark in text for mark in "/\\.") or setting.rpartition(".")[2] in PATH_SETTINGS
    # `os.path.exists` accepts any string. `Path.exists` raises an error for strings that are too long for a path.
    if (is_path or looks_like_path) and os.path.exists(folder / text):
        return path_digest(folder / text, without)
    if setting.endswith(".source") or setting.startswith("initialize."):
        package = pipeline_package(text)
        return path_digest(package) if package else ""
    return ""


def _strings(value: Any) -> List[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [text for text in values if isinstance(text, str) and text]
