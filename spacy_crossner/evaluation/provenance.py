"""What scores depend on: the content of the data, the versions of packages."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Dict, Optional

from .. import __version__
from ..data.docbin import unreadable

PACKAGES = ("spacy", "spacy-crossner", "spacy-transformers", "torch", "transformers")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a DocBin's file.

    RAISES (DataError): it cannot be read.
    """
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def versions() -> Dict[str, Optional[str]]:
    """Return the versions of the packages that predict, None for one that is not installed."""
    found: Dict[str, Optional[str]] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # Run from a source tree, our own package is not installed.
            found[name] = __version__ if name == "spacy-crossner" else None
    return found
