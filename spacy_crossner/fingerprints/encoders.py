"""Digests of encoders: in a folder, in an installed package, or in the cache of the Hugging Face hub."""

import os
import re
from pathlib import Path
from typing import Sequence

from ..storage.installed import folder_in_package
from .contents import WORKING_FOLDER, path_digest
from .record import RECORD

# Files and folders that `dapt` writes next to an encoder. They do not affect its output.
BESIDE_ENCODER = ("log.jsonl", "diverged.json", RECORD, "checkpoint", "work")
# A model's name on the Hugging Face hub.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def encoder_digest(name: str, folder: Path = WORKING_FOLDER, without: Sequence[Path] = ()) -> str:
    """Return the digest of an encoder's folder, or the encoder's commit on the Hugging Face hub.

    name (str): see `find_encoder`.
    folder (Path): the base folder of relative paths.
    without (Sequence[Path]): files and folders to leave out, in addition to `BESIDE_ENCODER`.
    RETURNS (str): the digest; "" if there is no such encoder, or if a model on the hub is not in the cache yet and its
        commit is therefore unknown.
    """
    if name and os.path.exists(folder / name):
        return _encoder_folder_digest(folder / name, without)
    if not HUB_NAME.fullmatch(name):
        return ""
    packaged = folder_in_package(name)
    return _encoder_folder_digest(packaged, without) if packaged else _hub_commit(name)


def encoder_title(name: str) -> str:
    """Return the name of an encoder to show: without the folders of its path, which mean nothing on another machine."""
    is_path = os.path.exists(name) or not HUB_NAME.fullmatch(name)
    return Path(name).name if is_path else name


def is_adapted_encoder(path: Path) -> bool:
    """Return whether a path is the folder of an encoder adapted by `dapt`."""
    return (path / "config.json").is_file() and (path / RECORD).is_file()


def _encoder_folder_digest(path: Path, without: Sequence[Path]) -> str:
    return path_digest(path, [*without, *(path / name for name in BESIDE_ENCODER)])


def _hub_commit(name: str) -> str:
    """Return the commit of a model in the cache of the Hugging Face hub; "" if the model is not in the cache."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return f"commit {Path(cached).parent.name}" if isinstance(cached, str) else ""
