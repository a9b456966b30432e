"""The labels of a domain, as `convert` writes them."""

from pathlib import Path
from typing import List

import srsly

from ..errors import CrossnerError, Errors
from ..fingerprints import text_digest


def read_domain_labels(path: Path) -> List[str]:
    """Read the labels that `convert` has written.

    RAISES (CrossnerError): the file cannot be read, or is no list of labels.
    """
    text_digest(path)
    try:
        labels = srsly.read_json(path)
    except ValueError as error:
        raise CrossnerError(Errors.C527.format(path=path, found="a file that is no JSON")) from error
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise CrossnerError(Errors.C527.format(path=path, found=f"{labels!r:.60}"))
    return labels
