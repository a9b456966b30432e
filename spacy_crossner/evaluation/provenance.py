"""The inputs of scores: digest of the data, versions of packages, and the device."""

from pathlib import Path
from typing import Dict, Optional

import torch

from .. import fingerprints
from ..data.docbin import unreadable
from ..encoders.precision import has_fast_bf16

PACKAGES = ("spacy", "spacy-crossner", "spacy-transformers", "torch", "transformers")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a DocBin file.

    RAISES (DataError): the file cannot be read.
    """
    try:
        return fingerprints.file_digest(path)
    except OSError as error:
        raise unreadable(path, error) from error


def versions() -> Dict[str, Optional[str]]:
    """Return the versions of the packages used in prediction; None for a package that is not installed."""
    return {name: version or None for name, version in fingerprints.versions(PACKAGES).items()}


def device_name(gpu_id: int) -> str:
    """Return the device as far as results depend on it: a GPU's model, or the instructions of the CPU that are used.

    gpu_id (int): the GPU, -1 for the CPU.
    """
    if gpu_id >= 0:
        return torch.cuda.get_device_name(gpu_id)
    instructions = torch.backends.cpu.get_cpu_capability()
    return f"cpu, {instructions}{', bf16' if has_fast_bf16(torch.device('cpu')) else ''}"
