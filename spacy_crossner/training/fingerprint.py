"""What makes two runs of a training stage the same: its settings, the content of what these name, the versions."""

import hashlib
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import spacy
import srsly
import thinc
import torch
from spacy import util
from thinc.api import Config

from .. import __version__

# Where settings name what training reads; all others refer to these or are written to.
SECTIONS = ("components", "corpora", "initialize", "training")
WRITTEN = "training.logger."


def take_fingerprint(config: Config, output: Path, use_gpu: int = -1) -> Dict[str, str]:
    """Return the settings, the digests of files and folders, and the versions that a run depends on, by name.

    config (Config): the complete config, interpolated, with all overrides.
    output (Path): the folder of the run, which is left out of a folder that is read.
    use_gpu (int): GPU, -1 for CPU; which GPU makes no difference.
    """
    settings = util.dict_to_dot(config)
    found = {name: srsly.json_dumps(value) for name, value in settings.items()}
    for name, value in settings.items():
        if name.startswith(SECTIONS) and not name.startswith(WRITTEN):
            for text in _strings(value):
                path = _find(text, is_source=name.endswith(".source"))
                if path is not None:
                    found[f"the content of {text}"] = _digest(path, output.resolve())
    for module, version in {
        "spacy-crossner": __version__,
        "spacy": spacy.__version__,
        "thinc": thinc.__version__,
        "torch": torch.__version__,
    }.items():
        found[f"the version of {module}"] = str(version)
    found["the device"] = "GPU" if use_gpu >= 0 else "CPU"
    return found


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _strings(value: Any) -> List[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [one for one in values if isinstance(one, str) and one]


def _find(text: str, is_source: bool) -> Optional[Path]:
    """Return the file or folder that a setting names, if it names one. A source may be an installed package."""
    # Any string may stand in a config: `os.path` takes one that cannot be a path.
    if os.path.exists(text):
        return Path(text).resolve()
    if is_source and util.is_package(text):
        return util.get_package_path(text)
    return None


def _digest(path: Path, output: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files in a folder."""
    if path.is_file():
        return file_digest(path)
    total = hashlib.sha256()
    for file in _files(path, output):
        total.update(f"{file.relative_to(path).as_posix()}\n{file_digest(file)}\n".encode())
    return total.hexdigest()


def _files(folder: Path, output: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # Python writes the latter when a package is imported.
        if path.is_file() and output not in path.parents and "__pycache__" not in path.parts:
            yield path
