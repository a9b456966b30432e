"""The public surface: registered names and their settings, commands and their options, custom attributes.

Saved pipelines, configs and scripts of users depend on it. `surface.json` holds it as it is meant to be; after a change
that is meant, write it anew: `python tests/test_surface.py`.
"""

import inspect
import json
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest
import typer
from spacy.language import Language
from spacy.tokens.underscore import Underscore

from spacy_crossner.cli import app

SETUP = Path(__file__).parents[1] / "setup.cfg"
GOLDEN = Path(__file__).parent / "surface.json"


def registered():
    """Return the settings of each registered name, by registry."""
    setup = ConfigParser(delimiters="=")
    setup.optionxform = str
    setup.read(SETUP)
    names = {}
    for registry, lines in setup["options.entry_points"].items():
        for name, target in (line.split(" = ") for line in lines.strip().splitlines()):
            module, attribute = target.split(":")
            loaded = getattr(import_module(module), attribute)
            if registry == "spacy_factories":
                settings = list(Language.get_factory_meta(name).default_config)
            elif registry in ("console_scripts", "spacy_cli"):
                settings = []
            else:
                settings = list(inspect.signature(loaded).parameters)
            names.setdefault(registry, {})[name] = sorted(settings)
    return names


def commands():
    """Return the arguments and options of each command."""
    group = typer.main.get_command(app)
    return {
        name: sorted("/".join(parameter.opts) for parameter in command.params)
        for name, command in group.commands.items()
    }


def attributes():
    """Return the names of our custom attributes, by the class that has them."""
    extensions = {
        "Doc": Underscore.doc_extensions,
        "Span": Underscore.span_extensions,
        "Token": Underscore.token_extensions,
    }
    return {
        owner: sorted(
            name
            for name, (_, _, getter, _) in known.items()
            if getattr(getter, "__module__", "").startswith("spacy_crossner.")
        )
        for owner, known in extensions.items()
    }


PARTS = {"registered": registered, "commands": commands, "attributes": attributes}


@pytest.mark.parametrize("part", PARTS)
def test_the_public_surface_is_as_recorded(part):
    registered()  # imports all that registers an attribute
    recorded = json.loads(GOLDEN.read_text(encoding="utf8"))[part]
    assert PARTS[part]() == recorded, "the public surface changed. If that is meant: python tests/test_surface.py"


if __name__ == "__main__":
    surface = {part: collect() for part, collect in PARTS.items()}
    GOLDEN.write_text(json.dumps(surface, indent=1, sort_keys=True) + "\n", encoding="utf8")
