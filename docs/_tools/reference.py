"""The generated pages of the reference: the commands from typer, the registered names from `setup.cfg`."""

import inspect
import re
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Literal,
    Sequence,
    Set,
    Tuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import typer
from docstrings import Field, split_docstring
from spacy.language import Language

from spacy_crossner.cli import app

ROOT = Path(__file__).parents[2]
# The registries: the heading, the line of a config that names an entry, and a sentence.
REGISTRIES = {
    "spacy_factories": ("Components", "factory", "A block `[components.NAME]`, or `nlp.add_pipe`."),
    "spacy_architectures": (
        "Architectures",
        "@architectures",
        "A component's `model`, an encoder, or the `tok2vec` below a head.",
    ),
    "thinc_losses": ("Losses", "@losses", "A block of `[components.NAME.losses]`: one term of the loss."),
    "spacy_readers": ("Readers", "@readers", "A block of `[corpora]`, or a setting of `[initialize]`."),
    "spacy_batchers": ("Batchers", "@batchers", "The block `[training.batcher]`."),
    "spacy_augmenters": ("Augmenters", "@augmenters", "The `augmenter` of one of spaCy's corpus readers."),
    "spacy_span_getters": ("Span getters", "@span_getters", "The `get_spans` of an encoder."),
    "thinc_optimizers": ("Optimizers", "@optimizers", "The block `[training.optimizer]`."),
    "spacy_callbacks": (
        "Callbacks",
        "@callbacks",
        "`[initialize.before_init]`, `[initialize.after_init]` or `[training.before_update]`.",
    ),
    "spacy_loggers": ("Loggers", "@loggers", "The block `[training.logger]`."),
}
# spaCy passes these to a factory itself.
FROM_SPACY = ("nlp", "name")
OUR_NAME = re.compile(r"spacy_crossner\.\w+\.v\d+")
ONLY_A_REFERENCE = re.compile(r"see `(\w+)`\.?")


@dataclass
class Entry:
    """A registered name.

    name (str): the name.
    registry (str): the group of its entry point.
    source (str): the module and the function or class.
    prose (str): its docstring without the fields.
    settings (List[Field]): its settings with type and meaning; the meaning is empty where no docstring gives it.
    defaults (Dict[str, str]): the defaults as a config writes them; a setting that is not in it is required.
    """

    name: str
    registry: str
    source: str
    prose: str
    settings: List[Field]
    defaults: Dict[str, str]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, "" without rows; `|` in a cell is escaped."""
    if not rows:
        return ""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def as_text(help_text: str) -> str:
    """Return a help text as Markdown that shows it as it is; code in backticks stays code."""
    return re.sub(r"(`[^`]*`)|([\[\]<*_])", lambda found: found[1] or f"\\{found[2]}", help_text)


def cli_page() -> str:
    """Return the page of the commands."""
    group = typer.main.get_command(app)
    parts = [
        "# Commands",
        "Each command runs as `python -m spacy crossner COMMAND` and as `spacy-crossner COMMAND`; `--help` prints what "
        "this page says. The page is generated from the commands themselves.",
        table(
            ["command", ""],
            [
                [f"[`{name}`](#{name})", as_text(each.help or "").split("\n\n")[0]]
                for name, each in group.commands.items()
            ],
        ),
    ]
    for info in app.registered_commands:
        name, types = str(info.name), get_type_hints(info.callback)
        command = group.commands[name]
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        usage = [
            f"spacy-crossner {name}",
            *(f"{each.name.upper()}{' ...' if each.nargs == -1 else ''}" for each in arguments),
            *(f"{each.opts[0]} {each.name.upper()}" for each in options if each.required),
            "[OPTIONS]",
        ]
        parts += [f"## {name}", as_text(inspect.cleandoc(command.help or "")), f"```text\n{' '.join(usage)}\n```"]
        rows = [[f"`{each.name.upper()}`", _type_of(types[each.name]), as_text(each.help or "")] for each in arguments]
        parts.append(table(["argument", "type", "meaning"], rows))
        rows = [
            [_names_of(each), _type_of(types[each.name]), _default_of(each, types[each.name]), as_text(each.help or "")]
            for each in options
        ]
        parts.append(table(["option", "type", "default", "meaning"], rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _names_of(option: Any) -> str:
    """Return the spellings of an option, the one that switches it off after a slash."""
    names = ", ".join(f"`{name}`" for name in option.opts)
    return names + (f" / `{option.secondary_opts[0]}`" if option.secondary_opts else "")


def _type_of(annotation: Any) -> str:
    """Return the type of an argument or option as a reader of the page knows it."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return ", ".join(f"`{choice.value}`" for choice in annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if origin is list:
        return f"{_type_of(inner[0])}, one or more"
    if origin is Union:
        return _type_of(inner[0])
    return {"bool": "flag", "int": "integer", "float": "number", "str": "text", "Path": "path"}[annotation.__name__]


def _default_of(option: Any, annotation: Any) -> str:
    if option.required:
        return "required"
    if annotation is bool:
        chosen = option.opts if option.default else option.secondary_opts
        return f"`{chosen[0]}`" if option.secondary_opts else ("on" if option.default else "off")
    return "" if option.default in (None, "", []) else f"`{option.default}`"


def entries() -> Iterator[Entry]:
    """Yield the registered names of `setup.cfg`, by registry in the order of `REGISTRIES`."""
    setup = ConfigParser(delimiters="=")
    setup.optionxform = str
    setup.read(ROOT / "setup.cfg", encoding="utf8")
    points = setup["options.entry_points"]
    for registry in REGISTRIES:
        for line in sorted(points[registry].strip().splitlines()):
            name, target = line.split(" = ")
            module, attribute = target.split(":")
            function = getattr(import_module(module), attribute)
            fields = fields_of(function)
            if registry == "spacy_factories":
                defaults = Language.get_factory_meta(name).default_config
            else:
                parameters = inspect.signature(function).parameters.values()
                defaults = {each.name: each.default for each in parameters if each.default is not each.empty}
            settings = [
                fields.get(each.name) or Field(each.name, _annotation(each), "")
                for each in inspect.signature(function).parameters.values()
                if registry != "spacy_factories" or each.name not in FROM_SPACY
            ]
            shown = {key: _value(value) for key, value in defaults.items()}
            yield Entry(name, registry, f"{module}.{attribute}", _prose_of(function), settings, shown)


def fields_of(thing: Callable[..., Any]) -> Dict[str, Field]:
    """Return the fields of a docstring, then those of the base classes and of the names in backticks in it.

    A meaning that is only "see `name`" is taken from there.
    """
    found: Dict[str, Field] = {}
    for text, module in _docstrings(thing, set()):
        for field in split_docstring(text)[1]:
            reference = ONLY_A_REFERENCE.fullmatch(field.meaning)
            other = getattr(module, reference[1], None) if reference else None
            if other is not None:
                field = next((each for each in split_docstring(other.__doc__)[1] if each.name == field.name), field)
            found.setdefault(field.name, field)
    return found


def _docstrings(thing: Any, seen: Set[Any]) -> Iterator[Tuple[str, Any]]:
    """Yield the docstrings that describe a function or class, each with the module of its names."""
    parts = inspect.getmro(thing) if inspect.isclass(thing) else [thing]
    for part in parts:
        if part in seen or not part.__module__.startswith("spacy_crossner"):
            continue
        seen.add(part)
        text, module = part.__doc__ or "", sys.modules[part.__module__]
        yield text, module
        for name in re.findall(r"`(\w+)`", text):
            other = getattr(module, name, None)
            if callable(other) and hasattr(other, "__module__"):
                yield from _docstrings(other, seen)


def _prose_of(function: Callable[..., Any]) -> str:
    """Return the prose of a docstring; that of the component for a factory, whose own says only "see"."""
    prose, _ = split_docstring(function.__doc__ or "")
    found = re.match(r"Make the component; see `(\w+)`", prose)
    return split_docstring(getattr(sys.modules[function.__module__], found[1]).__doc__)[0] if found else prose


def _annotation(parameter: inspect.Parameter) -> str:
    if parameter.annotation is parameter.empty:
        return ""
    return inspect.formatannotation(parameter.annotation).replace("typing.", "")


def _value(value: Any) -> str:
    """Return a default as a config writes it; of a block, the names that are registered in it."""
    if isinstance(value, dict):
        names = [str(each) for key, each in value.items() if key.startswith("@")]
        inner = [f"{key}: {_value(each)}" for key, each in value.items() if isinstance(each, dict) and not names]
        return ", ".join(names + inner) or "{}"
    if value is None:
        return "null"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(default: str) -> str:
    """Return a default as code, registered names in it as links."""
    linked = OUR_NAME.sub(r"[`\g<0>`](#\g<0>)", default)
    return linked if linked != default else f"`{default}`"


def config_page() -> str:
    """Return the page of the registered names and their settings."""
    parts = [
        "# Registered names",
        "What a config can name, with its settings. The page is generated from `setup.cfg`, the signatures and the "
        "docstrings. Complete configs are in `configs/`.",
    ]
    registry = ""
    for entry in entries():
        title, key, place = REGISTRIES[entry.registry]
        if entry.registry != registry:
            registry = entry.registry
            parts += [f"## {title}", place]
        parts += [
            f"### {entry.name} {{ #{entry.name} }}",
            f'```ini\n{key} = "{entry.name}"\n```',
            entry.prose,
            f"In the code: `{entry.source}`.",
        ]
        rows = [
            [
                f"`{setting.name}`",
                f"`{setting.type}`" if setting.type else "",
                _shown(entry.defaults[setting.name]) if setting.name in entry.defaults else "required",
                setting.meaning,
            ]
            for setting in entry.settings
        ]
        parts.append(table(["setting", "type", "default", "meaning"], rows))
    return "\n\n".join(part for part in parts if part) + "\n"
