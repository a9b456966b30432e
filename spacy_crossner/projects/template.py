"""The project that comes with the package: `project.yml`, the configs and the sample."""

from pathlib import Path

from ..errors import CrossnerError, Errors

PACKAGE = Path(__file__).parents[1]


def template_folder() -> Path:
    """Return the folder with `project.yml`, `configs/` and `assets/sample/`.

    An installed package has a copy, made by `setup.py`. In a clone it is the root of the clone.

    RAISES (CrossnerError): neither is there, as in a copy of the source files alone.
    """
    for folder in (PACKAGE / "template", PACKAGE.parent):
        if (folder / "project.yml").is_file() and (folder / "configs").is_dir():
            return folder
    raise CrossnerError(Errors.C650.format(folder=PACKAGE))
