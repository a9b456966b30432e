"""The inputs of scores: digest of the data and versions of packages."""

from pathlib import Path
from typing import Dict, Optional

from .. import fingerprints
from ..data.docbin import unreadable

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
