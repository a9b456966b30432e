"""The code in the README and the docs: commands and configs are valid, the quickstart and the Python blocks run.

A block that cannot run here has a line `<!-- not run: reason -->` before it.
"""

import inspect
import re
import shlex
import sys
import textwrap
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path

import pytest
import spacy
import srsly
from spacy import util
from spacy.cli._util import app as spacy_app
from spacy.cli._util import parse_config_overrides
from spacy.language import Language
from typer.main import get_command
from typer.testing import CliRunner

from spacy_crossner.cli import app

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md"))]
PAGES += [page for folder in ("docs", "examples") for page in sorted((ROOT / folder).rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<lang>\w*)[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.S | re.M)
NOT_RUN = re.compile(r"<!-- not run: (.+?) -->\s*\Z")
INLINE = re.compile(r"`((?:python -m spacy|spacy crossner|spacy-crossner|make) [^`]+)`")
MOST_NOT_RUN = 6
SPACY = get_command(spacy_app)
OURS = ["python", "-m", "spacy", "crossner"]


@dataclass
class Block:
    """A block of code.

    page (Path): the page that it is on.
    line (int): the number of its first line.
    lang (str): the language after the fence.
    text (str): the code, without the indent of the fence.
    not_run (str): why it is not run; "" for a block that is.
    """

    page: Path
    line: int
    lang: str
    text: str
    not_run: str

    @property
    def place(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page):
    text = page.read_text(encoding="utf8")
    for found in FENCE.finditer(text):
        reason = NOT_RUN.search(text[: found.start()])
        line = text[: found.start("body")].count("\n") + 1
        yield Block(page, line, found["lang"], textwrap.dedent(found["body"]), reason[1] if reason else "")


BLOCKS = [block for page in PAGES for block in read_blocks(page)]


def blocks_of(lang):
    return [block for block in BLOCKS if block.lang == lang]


def split_commands(text):
    """Return the words of each command of a shell script."""
    # Here-documents are input, not commands.
    text = re.sub(r"<<-?\s*['\"]?(\w+)['\"]?(.*?)\n.*?^\1$", r"\2", text, flags=re.S | re.M)
    commands = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;"):
                commands.append(words)
                words = []
            else:
                words.append(word)
    cut = [words[: min([i for i, word in enumerate(words) if set(word) <= set("<>&")] or [None])] for words in commands]
    return [words for words in map(without_variables, cut) if words]


def without_variables(words):
    """Return the words of a command without the variables that are set for it."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    return words


def check_command(words, strict):
    """Check one command: its program, options and files are there.

    words (List[str]): the words.
    strict (bool): whether its arguments must be complete and of their types; else options must exist.
    """
    program = Path(words[0]).name
    if "spacy" in words[1:] and words[words.index("spacy") - 1] == "-m":
        check_spacy(words[words.index("spacy") + 1 :], strict)
    elif program == "spacy":
        check_spacy(words[1:], strict)
    elif program == "spacy-crossner":
        check_spacy(["crossner", *words[1:]], strict)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf8"), re.M)
        assert set(words[1:]) <= set(targets), "no such target of the Makefile"
    elif program.startswith("python") and words[1:2] and re.match(r"(benchmarks|examples|tests|docs)/", words[1]):
        assert (ROOT / words[1]).is_file(), f"no file {words[1]}"
    elif words[1:2] == ["install"] or words[2:4] == ["pip", "install"]:
        setup = ConfigParser()
        setup.read(ROOT / "setup.cfg", encoding="utf8")
        extras = [extra for word in words for found in re.findall(r"\[(.+)\]", word) for extra in found.split(",")]
        assert set(extras) <= set(setup["options.extras_require"]), f"no such extra: {extras}"


def check_spacy(words, strict):
    """Check the words after `python -m spacy`."""
    if words[:2] == ["project", "run"]:
        check_project(words[2:])
        return
    command, path = SPACY, []
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name, words = words[0], words[1:]
        assert name in command.commands, f"no command {' '.join([*path, name])}"
        command = command.commands[name]
        path.append(name)
    if hasattr(command, "commands") or "--help" in words:
        return
    # spaCy's own commands look for the files that they are given.
    is_checked = strict and path[0] == "crossner"
    context = command.make_context(command.name, list(words), resilient_parsing=not is_checked)
    if path == ["crossner", "train"] and is_checked:
        config = context.params["config"]
        if not (ROOT / config).is_file():
            assert config.parts[0] not in ("configs", "benchmarks", "projects"), f"no file {config}"
            return
        util.load_config(ROOT / config, overrides=parse_config_overrides(context.args), interpolate=False)


def check_project(words):
    """Check the words after `spacy project run`: a workflow or command, a folder, variables."""
    if not words or words[0].startswith("-"):
        return
    name, *rest = words
    folder = ROOT / (rest.pop(0) if rest and not rest[0].startswith("-") else ".")
    assert (folder / "project.yml").is_file(), f"no project in {folder}"
    project = srsly.read_yaml(folder / "project.yml")
    known = [*project["workflows"], *(command["name"] for command in project["commands"])]
    assert name in known, f"no workflow or command {name}"
    options = [word for word in rest if word not in ("--force", "-F", "--dry", "-D", "--help")]
    unknown = set(parse_config_overrides(options)) - {f"vars.{variable}" for variable in project["vars"]}
    assert not unknown, f"no such variables: {unknown}"


def failures_of(commands, strict):
    """Return what is wrong with each command that is wrong."""
    failures = []
    for place, words in commands:
        try:
            check_command(words, strict)
        # Whatever the parsers raise, typer's exit included, is what is looked for.
        except (Exception, SystemExit) as error:
            message = getattr(error, "message", None) or str(error) or type(error).__name__
            failures.append(f"{place}: {shlex.join(words)}\n    {message}")
    return failures


def test_commands_in_bash_blocks_are_valid():
    commands = [(block.place, words) for block in blocks_of("bash") for words in split_commands(block.text)]
    assert len(commands) > 30
    assert "\n".join(failures_of(commands, strict=True)) == ""


def test_commands_in_the_text_are_valid():
    commands = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text(encoding="utf8"))
        for line in INLINE.findall(text):
            words = shlex.split(line.replace("\\|", "|"))
            # With a placeholder in place of the command there is nothing to check.
            if not {"...", "COMMAND", "NAME"} & set(words[:5]):
                commands.append((page.relative_to(ROOT), words))
    assert "\n".join(failures_of(commands, strict=False)) == ""


def test_scripts_that_are_named_exist():
    for page in PAGES:
        if page.name != "CHANGELOG.md":
            for name in set(re.findall(r"\bbenchmarks/\w+\.(?:py|json|cfg)", page.read_text(encoding="utf8"))):
                assert (ROOT / name).is_file(), f"{page.relative_to(ROOT)}: {name}"


WRONG = [
    "crossner no-command",
    "crossner dapt a b -o c --epoch 3",
    "crossner dapt a b -o c --epochs many",
    "crossner dapt a b",
    "crossner train configs/no-config.cfg -o a",
    "crossner train configs/crf.cfg -o a --trainin.max_steps 3",
    "project run al .",
    "project run all . --vars.sead 1",
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_command_is_found(wrong):
    assert failures_of([("here", ["python", "-m", "spacy", *shlex.split(wrong)])], strict=True)


def check_config(text):
    """Check a part of a config: every value is JSON, every registered name exists and has the settings it is given."""
    config = ConfigParser(interpolation=None, delimiters="=")
    config.optionxform = str
    config.read_string(text)
    for section in config.sections():
        values = {}
        for key, value in config[section].items():
            values[key] = value if "${" in value else srsly.json_loads(value)
        inner = [name[len(section) + 1 :] for name in config.sections() if name.startswith(f"{section}.")]
        check_config_block(values, [name for name in inner if "." not in name])


def check_config_block(values, inner):
    """Check one block of a config, and the blocks that are written inside its values.

    values (Dict[str, Any]): its settings.
    inner (List[str]): the settings that are blocks of their own.
    """
    settings = {key for key in (*values, *inner) if not key.startswith("@")} - {"factory"}
    for value in values.values():
        if isinstance(value, dict):
            check_config_block(value, [])
    if "factory" in values:
        # A look-up registers the factories of entry points.
        assert spacy.blank("en").has_factory(values["factory"])
        assert settings <= set(Language.get_factory_meta(values["factory"]).default_config), settings
    for key in [key for key in values if key.startswith("@")]:
        function = util.registry.get(key[1:], values[key])
        parameters = inspect.signature(function).parameters.values()
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            # `*` of a config gives positional arguments.
            assert settings - {"*"} <= {parameter.name for parameter in parameters}, settings


@pytest.fixture(scope="module")
def workplace(make_project, tmp_path_factory):
    """Give the project of the sample after `all`, its package on the path, as `make run` leaves it.

    The package is unpacked in place of its installation.
    """
    project = make_project()
    config = srsly.read_yaml(project.folder / "project.yml")
    for steps in config["workflows"].values():
        steps.remove("install")
    srsly.write_yaml(project.folder / "project.yml", config)
    code, output = project("all")
    assert code == 0, output
    installed = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(project.folder / "packages" / "crossner_ai-0.1.0-py3-none-any.whl") as wheel:
        wheel.extractall(installed)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed))
        yield project
    sys.modules.pop("crossner_ai", None)


def test_the_quickstart_runs(workplace, shorten, monkeypatch):
    """Its commands in order, quick ones: tiny encoder, two steps a stage."""
    monkeypatch.chdir(workplace.folder)
    blocks = [block for block in blocks_of("bash") if block.page.name == "quickstart.md" and not block.not_run]
    ran = []
    for block in blocks:
        for words in split_commands(block.text):
            ran.append(words)
            if words == ["make", "run"]:
                words = ["python", "-m", "spacy", "project", "run", "all"]
            if words[:5] == ["python", "-m", "spacy", "project", "run"]:
                name, *rest = words[5:]
                options = parse_config_overrides(rest[1:] if rest and not rest[0].startswith("-") else rest)
                code, output = workplace(name, **{key.removeprefix("vars."): each for key, each in options.items()})
            elif words[:4] == OURS:
                result = CliRunner().invoke(app, shorten(words)[4:])
                code, output = result.exit_code, result.output
            else:
                # The environment: this test runs in one.
                assert words[0] in (".", "source", "pip", "git", "cd", "make"), f"{block.place}: {words}"
                continue
            assert code == 0, f"{block.place}: {shlex.join(words)}\n{output}"
    assert [words for words in ran if "spacy" in words]


def test_a_corpus_is_annotated_as_deploy_says(workplace, monkeypatch):
    monkeypatch.chdir(workplace.folder)
    blocks = [block for block in blocks_of("bash") if block.page.name == "deploy.md"]
    commands = [words for block in blocks for words in split_commands(block.text) if words[4:5] == ["annotate"]]
    assert commands
    for words in commands:
        result = CliRunner().invoke(app, words[4:])
        assert result.exit_code == 0, result.output
        lines = Path(words[words.index("--output") + 1]).read_text(encoding="utf8").splitlines()
        assert [srsly.json_loads(line)["text"] for line in lines] == Path(words[6]).read_text("utf8").splitlines()


def test_sentences_to_label_next_are_chosen_as_your_data_says(workplace, monkeypatch):
    monkeypatch.chdir(workplace.folder)
    blocks = [block for block in blocks_of("bash") if block.page.name == "your-data.md"]
    commands = [words for block in blocks for words in split_commands(block.text) if "--uncertain" in words]
    assert commands
    for words in commands:
        result = CliRunner().invoke(app, words[4:])
        assert result.exit_code == 0, result.output
        tasks = srsly.read_json(words[words.index("--output") + 1])
        assert len(tasks) == int(words[words.index("--uncertain") + 1])


CODE_PAGES = list(dict.fromkeys(block.page for block in BLOCKS if block.lang in ("python", "ini")))


@pytest.mark.parametrize("page", CODE_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_run_and_configs_are_valid(page, workplace, monkeypatch):
    """The blocks of a page in order: Python in one namespace, in the folder of the project."""
    monkeypatch.chdir(workplace.folder)
    namespace = {"__name__": "__main__"}
    for block in read_blocks(page):
        if block.lang == "python" and not block.not_run:
            # Blank lines, so that a traceback gives the line of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
        # Lines without a section are of another file, such as setup.cfg.
        if block.lang == "ini" and block.text.startswith("["):
            check_config(block.text)


def test_few_blocks_are_not_run():
    reasons = [f"{block.place}: {block.not_run}" for block in BLOCKS if block.not_run]
    assert len(reasons) <= MOST_NOT_RUN, reasons
