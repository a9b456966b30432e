"""The version of the format in which components are saved, and the check for files of a later version.

A component writes `FORMAT_VERSION` under `FORMAT_KEY` beside its settings. Files without the key have format 0: they
were written before formats had numbers. All formats up to `FORMAT_VERSION` can be read.
"""

from typing import Any, Dict, Mapping

from ..errors import CrossnerError, Errors

FORMAT_KEY = "format"
# Increase it if an older version of the package could not read the saved files, or would misread them.
FORMAT_VERSION = 1


def with_format(cfg: Mapping[str, Any]) -> Dict[str, Any]:
    """Return settings for saving, with the current format version, which replaces the version of a loaded file."""
    return {**cfg, FORMAT_KEY: FORMAT_VERSION}


def check_format(cfg: Mapping[str, Any], name: str) -> int:
    """Return the format version of saved settings.

    cfg (Mapping[str, Any]): the saved settings.
    name (str): name of the saved object for the error, such as "component 'ner'".
    RETURNS (int): the format version; 0 for settings without one.
    RAISES (CrossnerError): the format is newer than this version reads, or is not a version number.
    """
    version = cfg.get(FORMAT_KEY, 0)
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise CrossnerError(Errors.C081.format(name=name, version=repr(version)))
    if version > FORMAT_VERSION:
        raise CrossnerError(Errors.C080.format(name=name, version=version, known=FORMAT_VERSION))
    return version
