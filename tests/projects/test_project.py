"""project.yml: its commands exist, and the way from text to a package works with a tiny encoder."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from safetensors.torch import load_file, save_file
from spacy.vocab import Vocab
from typer.main import get_command

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import read_docbin

ROOT = Path(__file__).parents[1]
PROJECT = srsly.read_yaml(ROOT / "project.yml")


def test_workflows_name_commands_that_exist():
    names = {command["name"] for command in PROJECT["commands"]}
    assert all(set(steps) <= names for steps in PROJECT["workflows"].values())
    ours = get_command(app).commands
    scripts = [script.split() for command in PROJECT["commands"] for script in command["script"]]
    assert {words[4] for words in scripts if words[2:4] == ["spacy", "crossner"]} <= set(ours)


@pytest.fixture(scope="module")
def project(tmp_path_factory, tiny_encoder):
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "project.yml", folder)
    for name in ("configs", "assets"):
        shutil.copytree(ROOT / name, folder / name)

    def run(step, **variables):
        # A value that begins with -- would be taken for the next option.
        dapt_options = " --max-steps 2 --head-steps 1 --block-size 32 --batch-size 2"
        variables = {
            "dapt_options": dapt_options,
            "source_epochs": 1,
            "target_epochs": 1,
            "target_min_steps": 0,
            **variables,
        }
        variables.setdefault("encoder", tiny_encoder)
        words = [word for name, value in variables.items() for word in (f"--vars.{name}", str(value))]
        command = [sys.executable, "-W", "ignore", "-m", "spacy", "project", "run", step, str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    run.folder = folder
    return run


def test_from_text_to_a_package(project):
    for step in PROJECT["workflows"]["all"][:-1]:
        done = project(step)
        assert done.returncode == 0, done.stdout + done.stderr
    method = PROJECT["vars"]["method"]
    metrics = json.loads((project.folder / "metrics" / f"{method}-ai.json").read_text(encoding="utf8"))
    assert metrics["sentences"] == 80
    assert len(metrics["strict"]["per_type"]) == 14
    labels = spacy.load(project.folder / "training" / method / "ai" / "model-best").get_pipe("ner").labels
    assert labels[:4] == ("location", "misc", "organisation", "person")
    assert len(labels) == 14
    assert (project.folder / "packages" / "crossner_ai-0.1.0-py3-none-any.whl").is_file()

    kept = (project.folder / "corpus" / "raw-ai" / "selected.txt").read_text(encoding="utf8").splitlines()
    assert 0 < len(set(kept)) < len(kept) < 300
    card = (project.folder / "training" / "encoder" / "ai" / "README.md").read_text(encoding="utf8")
    assert "| training.max_steps | 2 |" in card
    for step in ("dapt", "pretrain-adapted"):
        assert "nothing changed" in project(step).stdout


def test_a_grid_of_methods_takes_the_same_steps(project, tiny_encoder):
    options = ["--settings direct --methods tagger,crf --domains ai --seeds 1"]
    options += [f"--var {pair}" for pair in (f"encoder={tiny_encoder}", "target_epochs=1", "target_min_steps=0")]
    done = project("compare", compare_options=f" {' '.join(options)}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2/2" in done.stdout
    again = project("compare", compare_options=f" {' '.join(options)} --seeds 1")
    assert again.stdout.count("(known)") == 2


def test_a_step_sees_what_it_names_beside_its_dependencies(project, tiny_encoder):
    """An encoder in a variable, and general text for vectors, are no dependencies: they may be no files, or none."""
    encoder, general = project.folder / "own encoder", project.folder / "general.txt"
    shutil.copytree(tiny_encoder, encoder)
    general.write_text("A lamp burns in Oslo .\n" * 9)
    variables = {"encoder": encoder.name, "method": "crf", "general": general.name}
    variables["vectors_options"] = " --min-count 1 --width 8 --buckets 100 --epochs 1"
    project("convert")
    project("convert-source")
    for step in ("train-direct", "vectors"):
        for expected in ("Running command", "nothing changed"):
            done = project(step, **variables)
            assert done.returncode == 0, done.stdout + done.stderr
            assert expected in done.stdout
        assert "is kept" in " ".join(done.stdout.split())
    weights = load_file(encoder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] += 1
    save_file(weights, encoder / "model.safetensors", metadata={"format": "pt"})
    general.write_text("A lamp burns in Rome .\n" * 9)
    for step, changed in (("train-direct", "the content of own encoder"), ("vectors", "the text general.txt")):
        assert f"not as when it was made: {changed}" in " ".join(project(step, **variables).stdout.split())


def test_variables_that_are_paths_and_names_may_hold_blanks():
    """A word of a script with a variable in it is quoted, but for numbers and for variables that hold options."""
    unquoted = [
        word
        for command in PROJECT["commands"]
        for script in command["script"]
        for word in re.findall(r"\S*\$\{vars\.\w+\}\S*", script)
        if not re.fullmatch(r"\".*\"", word)
    ]
    names = {name for word in unquoted for name in re.findall(r"vars\.(\w+)", word)}
    numbers = {name for name in names if isinstance(PROJECT["vars"][name], (int, float))}
    # A language's code holds no blanks, nor does what a package is named and numbered.
    assert names - numbers == {name for name in names if name.endswith("_options")} | {"lang", "package", "version"}


def test_steps_that_train_decide_for_themselves():
    trained = {"train", "dapt", "vectors"}
    for command in PROJECT["commands"]:
        names = {script.split()[4] for script in command["script"] if " crossner " in script}
        assert bool(command.get("no_skip")) == bool(names & trained), command["name"]


def test_the_way_without_raw_text_differs_in_the_encoder_only():
    """Both ways end in the same place; each keeps its source stage."""
    commands = {command["name"]: command for command in PROJECT["commands"]}
    for step in ("pretrain", "finetune"):
        (script,), (adapted,) = (commands[name]["script"] for name in (step, f"{step}-adapted"))
        stage = "training/${vars.method}/${vars.source}"
        changed = script.replace('"${vars.encoder}"', '"training/encoder/${vars.domain}"')
        assert adapted == changed.replace(stage, f"{stage}-for-${{vars.domain}}")
    assert commands["finetune"]["outputs"] == commands["finetune-adapted"]["outputs"]
    named = {name.removesuffix("-adapted") for name in PROJECT["workflows"]["all"]} - {"select", "dapt"}
    assert named == set(PROJECT["workflows"]["no-dapt"])


def test_one_labelled_file_is_enough(project):
    """In German, to see that the language reaches every step."""
    corpus = project.folder / "mine" / "contracts"
    corpus.mkdir(parents=True)
    lines = [f"[Ada](person) schrieb z.B. an [Köln](place) und {i} mehr." for i in range(20)]
    (corpus / "contracts.txt").write_text("\n".join(lines), encoding="utf8")
    raw = project.folder / "raw.txt"
    # Two sentences of the set, in other spellings.
    said = [
        "Ada\u00a0schrieb z.B. an Ko\u0308ln und 3 mehr.",
        "ADA schrieb Z.B. an Kö\u00adln und 4 mehr .",
        "Nur Köln ist das.",
    ]
    raw.write_text("\n".join(said), encoding="utf8")
    (project.folder / "names.txt").write_text("Ko\u0308ln\n", encoding="utf8")
    names = {"corpus": "mine", "domain": "contracts", "lang": "de", "raw": "raw.txt", "entities": "names.txt"}
    names |= {"select_options": " --level entity --min-entities 1", "method": "crf"}
    # Without a dev set each step that needs one says what to do.
    done = project("convert", **names)
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("select", "train-direct"):
        done = project(step, **names)
        assert done.returncode == 1
        assert "[C161]" in done.stdout
        assert '--vars.convert_options " --dev 0.2 --test 0.2"' in " ".join(done.stdout.split())
    names["convert_options"] = " --dev 0.2 --test 0.6 --seed 1"
    for step in ("convert", "select"):
        done = project(step, **names)
        assert done.returncode == 0, done.stdout + done.stderr
    selected = json.loads((project.folder / "corpus/raw-contracts/selected.txt.json").read_text(encoding="utf8"))
    held_out = [
        doc.text
        for name in ("dev", "test")
        for doc in read_docbin(project.folder / "corpus" / "contracts" / f"{name}.spacy", Vocab())
    ]
    assert len(held_out) == 16
    assert selected["excluded"] == sum(text.endswith(("und 3 mehr.", "und 4 mehr.")) for text in held_out) > 0
    assert (selected["sentences_read"], selected["mentions"]) == (3, 3 - selected["excluded"])
    # With another language than the corpus has, training does not begin.
    done = project("train-direct", **{**names, "lang": "en"})
    assert done.returncode == 1
    assert "[C160]" in done.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"corpus": "assets/nowhere"}, "assets/nowhere"),
        ({"encoder": "no/such-encoder"}, "No encoder 'no/such-encoder'"),
        ({"method": "magic"}, "configs/magic.cfg"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(project, variables, message):
    if "corpus" not in variables:
        project("convert-source")
        project("convert")
    done = project("convert" if "corpus" in variables else "pretrain", **variables)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_project_and_its_names_may_hold_blanks_and_any_letter(tmp_path, tiny_encoder):
    """A project in such a folder, with such variables: from text to scores by the project's own commands."""
    folder = tmp_path / "my project" / "ä b"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "project.yml", folder)
    shutil.copytree(ROOT / "configs", folder / "configs")
    for name, sample in (("alte Nachrichten", "news"), ("künstliche 智能", "ai")):
        shutil.copytree(ROOT / "assets" / "sample" / sample, folder / "mein Text" / name)
    shutil.copy(ROOT / "assets" / "sample" / "ai_raw.txt", folder / "mein Text" / "roh er.txt")
    shutil.copy(ROOT / "assets" / "sample" / "ai_entities.tsv", folder / "mein Text" / "namen s.tsv")
    shutil.copytree(tiny_encoder, folder / "klein er encoder")
    variables = {
        "corpus": "mein Text",
        "source": "alte Nachrichten",
        "domain": "künstliche 智能",
        "raw": "mein Text/roh er.txt",
        "entities": "mein Text/namen s.tsv",
        "encoder": "klein er encoder",
        "method": "crf",
        "dapt_options": " --max-steps 2 --head-steps 1 --block-size 32 --batch-size 2",
        "target_epochs": 0.1,
        "target_min_steps": 0,
    }
    words = [word for name, value in variables.items() for word in (f"--vars.{name}", str(value))]
    for step in ("convert-source", "convert", "select", "dapt", "train-direct", "calibrate-direct", "evaluate-direct"):
        command = [sys.executable, "-W", "ignore", "-m", "spacy", "project", "run", step, str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((folder / "metrics" / "crf-künstliche 智能-direct.json").read_text(encoding="utf8"))
    assert scores["sentences"] == 80
    assert (folder / "training" / "encoder" / "künstliche 智能" / "config.json").is_file()
