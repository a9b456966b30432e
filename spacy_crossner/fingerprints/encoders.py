"""Digests of encoders: in a folder, in an installed package, or in the cache of the Hugging Face hub."""

import os
import re
from pathlib import Path
from typing import Sequence

from ..storage.installed import folder_in_package
from .contents import WORKING_FOLDER, path_digest
from .record import RECORD

# Files and folders beside an adapted encoder that record how it was made: they do not change what it computes.
BESIDE_ENCODER = ("log.jsonl", "diverged.json", RECORD, "checkpoint", "work")
# A model's name on the Hugging Face hub.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


def encoder_digest(name: str, folder: Path = WORKING_FOLDER, without: Sequence[Path] = ()) -> str:
    """Return the digest of an encoder's folder, or the encoder's commit on the Hugging Face hub.

    name (str): as `find_encoder` takes it.
    folder (Path): the folder that a relative path starts from.
    without (Sequence[Path]): files and folders to leave out, beside those in `BESIDE_ENCODER`.
    RETURNS (str): "" where there is no such encoder, or its commit is not known yet: a model on the hub has one once
        it is in the cache.
    """
    if name and os.path.exists(folder / name):
        return _encoder_folder_digest(folder / name, without)
    if not HUB_NAME.fullmatch(name):
        return ""
    packaged = folder_in_package(name)
    return _encoder_folder_digest(packaged, without) if packaged else _hub_commit(name)


def is_adapted_encoder(path: Path) -> bool:
    """Return whether a path is the folder of an encoder that `dapt` has made."""
    return (path / "config.json").is_file() and (path / RECORD).is_file()


def _encoder_folder_digest(path: Path, without: Sequence[Path]) -> str:
    return path_digest(path, [*without, *(path / name for name in BESIDE_ENCODER)])


def _hub_commit(name: str) -> str:
    """Return the commit of a model in the cache of the Hugging Face hub; "" if it is not there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return ""
    return f"commit {Path(cached).parent.name}" if isinstance(cached, str) else ""
