"""The version of the format in which components are saved; a file of a later version gives a clear error.

A component writes `FORMAT_VERSION` under `FORMAT_KEY` beside its settings. Files without the key have format 0: they
were written before formats had numbers. All formats up to `FORMAT_VERSION` can be read.
"""

from typing import Any, Dict, Mapping

from ..errors import CrossnerError, Errors

FORMAT_KEY = "format"
# Raise it when an older version of the package could not read, or would misread, what is saved.
FORMAT_VERSION = 1


def with_format(cfg: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings as they are saved: with the current format version, which replaces that of a loaded file."""
    return {**cfg, FORMAT_KEY: FORMAT_VERSION}


def check_format(cfg: Mapping[str, Any], name: str) -> int:
    """Return the format in which something was saved.

    cfg (Mapping[str, Any]): the saved settings.
    name (str): what was saved, for the error: "component 'ner'".
    RETURNS (int): the format, 0 where the settings name none.
    RAISES (CrossnerError): the format is newer than this version reads, or is no number of a format.
    """
    version = cfg.get(FORMAT_KEY, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise CrossnerError(Errors.C081.format(name=name, version=repr(version)))
    if version > FORMAT_VERSION:
        raise CrossnerError(Errors.C080.format(name=name, version=version, known=FORMAT_VERSION))
    return version
