"""Every name that the package registers can be resolved, and every registered thing is named in setup.cfg."""

from importlib.metadata import distribution

import pytest
import spacy
from spacy.util import registry

ENTRY_POINTS = [point for point in distribution("spacy-crossner").entry_points if point.group != "console_scripts"]


@pytest.mark.parametrize("point", ENTRY_POINTS, ids=lambda point: point.name)
def test_entry_point_is_found_through_the_registry(point):
    loaded = point.load()
    name = point.group.split("_", 1)[1]
    if name == "factories":
        assert spacy.blank("en").has_factory(point.name)
    elif name == "cli":
        assert registry.cli.get(point.name) is loaded
    else:
        assert registry.get(name, point.name) is loaded
    if name not in ("factories", "cli"):
        assert point.name.startswith("spacy_crossner.")
        assert point.name.endswith(".v1")
