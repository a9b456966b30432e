"""The versions of the packages that a result depends on."""

from importlib.metadata import PackageNotFoundError, version
from typing import Dict, Sequence

from .. import __version__
from .record import Fingerprint

OWN_PACKAGE = "spacy-crossner"
PACKAGES = ("torch", "spacy", "thinc", "transformers", "tokenizers", "spacy-transformers", OWN_PACKAGE)


def versions(packages: Sequence[str] = PACKAGES) -> Dict[str, str]:
    """Return the version of each package by name; "" for a package that is not installed."""
    by_name = {}
    for name in packages:
        try:
            # When run from a source tree, the installed version may differ.
            by_name[name] = __version__ if name == OWN_PACKAGE else version(name)
        except PackageNotFoundError:
            by_name[name] = ""
    return by_name


def version_fingerprint(packages: Sequence[str] = PACKAGES) -> Fingerprint:
    """Return the versions of packages as fingerprint entries."""
    return {f"the version of {name}": number for name, number in versions(packages).items()}
