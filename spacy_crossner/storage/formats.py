"""The version of the format in which components are saved, so that a file of a later version is refused in words.

A component writes `FORMAT_VERSION` under `FORMAT_KEY` beside its settings. Files without the key are of format 0: what
was written before formats had numbers. All formats up to `FORMAT_VERSION` can be read.
"""

from typing import Any, Dict, Mapping

from ..errors import CrossnerError, Errors

FORMAT_KEY = "format"
# Raise it when an older version of the package could not read, or would misread, what is saved.
FORMAT_VERSION = 1


def with_format(cfg: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings as they are saved: with the format's version, in place of one that they were loaded with."""
    return {**cfg, FORMAT_KEY: FORMAT_VERSION}


def check_format(cfg: Mapping[str, Any], name: str) -> int:
    """Return the format in which something was saved.

    cfg (Mapping[str, Any]): the saved settings.
    name (str): what was saved, for the error: "component 'ner'".
    RETURNS (int): the format, 0 where the settings name none.
    RAISES (CrossnerError): it is newer than what this version reads, or is no version.
    """
    version = cfg.get(FORMAT_KEY, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise CrossnerError(Errors.C081.format(name=name, version=repr(version)))
    if version > FORMAT_VERSION:
        raise CrossnerError(Errors.C080.format(name=name, version=version, known=FORMAT_VERSION))
    return version
