"""The project from text to a package, with a tiny encoder and two steps a stage; one test runs real processes."""

import json
import re
import shutil
import subprocess
import sys
import time
from zipfile import ZipFile

import pytest
import spacy
import srsly
from safetensors.torch import load_file, save_file
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.comparison import step
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.self_training import rounds

METHOD = "crf"


@pytest.fixture(scope="module")
def project(make_project):
    """Give the project after its three workflows, but for `install`; `outputs` is what each of them has printed."""
    project = make_project()
    config = srsly.read_yaml(project.folder / "project.yml")
    for steps in config["workflows"].values():
        steps.remove("install")
    srsly.write_yaml(project.folder / "project.yml", config)
    project.variables["method"] = METHOD
    project.outputs = {}
    for workflow in ("all", "no-dapt", "direct"):
        code, project.outputs[workflow] = project(workflow)
        assert code == 0, project.outputs[workflow]
    return project


def test_the_ways_do_not_overwrite_each_other(project):
    ways = ("dapt", "direct", "no-dapt")
    for way in ways:
        folder = project.folder / "training" / "ai" / METHOD / way
        scores = json.loads((project.folder / "metrics" / "ai" / METHOD / f"{way}.json").read_text(encoding="utf8"))
        assert scores["sentences"] == 12
        assert scores["model"]["path"] == f"training/ai/{METHOD}/{way}/calibrated"
        assert scores["from_text"] is not None
        labels = spacy.load(folder / "calibrated").get_pipe("ner").labels
        # What it learned on the source comes first; alone it knows the target's types. The list's types are among those
        # of the source stage, in alphabetical order.
        assert (labels[:4] == ("location", "misc", "organisation", "person")) is (way == "no-dapt")
        assert "researcher" in labels
    assert sorted(path.stem for path in (project.folder / "metrics" / "ai" / METHOD).iterdir()) == list(ways)
    # Each workflow calibrated and scored its own way, and kept the others.
    for workflow, kept in (("all", 0), ("no-dapt", 1), ("direct", 2)):
        assert project.outputs[workflow].count("Pipeline saved to") == 1
        assert len(re.findall(r"calibrated is up to date", project.outputs[workflow])) == kept


def test_the_best_way_is_packaged_and_named(project):
    with ZipFile(project.folder / "packages" / "crossner_ai-0.1.0-py3-none-any.whl") as wheel:
        card = wheel.read("crossner_ai/en_crossner_ai-0.1.0/README.md").decode("utf8")
    assert "| test, strict |" in card
    assert "| 1 | train | `train.spacy` |" in card
    assert "Packaging dapt, the best of 1" in project.outputs["all"]
    assert re.search(r"Packaging .*, the best of 3 by F1 on dev after calibration: .*\d", project.outputs["direct"])


def test_raw_text_is_selected_and_the_encoder_adapted(project):
    kept = (project.folder / "corpus" / "raw-ai" / "selected.txt").read_text(encoding="utf8").splitlines()
    assert 0 < len(set(kept)) < len(kept) < 160
    card = (project.folder / "training" / "ai" / "encoder" / "README.md").read_text(encoding="utf8")
    assert "| training.max_steps | 2 |" in card


def test_a_second_time_all_is_kept(project):
    before = project.folder / "training" / "ai" / METHOD / "dapt" / "model-best" / "meta.json"
    changed = before.stat().st_mtime_ns
    code, output = project("all")
    assert code == 0, output
    # Those that decide for themselves; the rest was skipped by spaCy.
    assert project.ran == ["select", "dapt", "silver", "train", "train", "calibrate", "evaluate"]
    assert output.count("is up to date") == 4 + 3 + 3
    assert before.stat().st_mtime_ns == changed


def test_raw_text_is_labelled_with_the_list_and_mixed_into_the_source_stage(project):
    docs = read_docbin(project.folder / "corpus" / "listed-ai" / "train.spacy", Vocab())
    assert docs
    assert all(doc.ents for doc in docs)
    source = project.folder / "training" / "source" / "news" / f"{METHOD}-for-ai" / "model-best" / "config.cfg"
    assert spacy.util.load_config(source)["paths"]["source"] == "corpus/listed-ai/train.spacy"


def test_self_training_is_a_way_of_its_own(project, monkeypatch):
    """The command passes the variables on; the teachers of two steps would be sure of nothing."""
    asked = []

    def self_train(output, stages, rounds, silver, *, gpu_id):
        asked.append((stages, rounds, silver))
        done = output.parent / "dapt"
        for name in ("model-best", "fingerprint.json"):
            (shutil.copytree if (done / name).is_dir() else shutil.copy)(done / name, output / name)
        return []

    monkeypatch.setattr(rounds, "self_train", self_train)
    folder = project.folder / "training" / "ai" / METHOD / "self-trained"
    folder.mkdir()
    code, output = project("train-rounds", rounds=2, seeds=4, silver_sentences=70, seed=3, type_map="map.tsv")
    assert code == 0, output
    for name in ("calibrate", "evaluate"):
        code, output = project(name)
        assert code == 0, output
    assert (project.folder / "metrics" / "ai" / METHOD / "self-trained.json").is_file()
    ((stages, plan, silver),) = asked
    assert stages.pretrained == [f"training/source/news/{METHOD}-for-ai/model-best"]
    assert (stages.seed, stages.epochs, plan.rounds, plan.teachers, silver.most) == (3, 24, 2, 4, 70)
    assert (str(plan.raw[0]), str(plan.names[0])) == ("assets/sample/ai_raw.txt", "assets/sample/ai_entities.tsv")
    assert (str(plan.type_map), str(plan.exclude[0])) == ("map.tsv", "corpus/ai/test.spacy")
    shutil.rmtree(folder)
    (project.folder / "metrics" / "ai" / METHOD / "self-trained.json").unlink()


@pytest.mark.parametrize(
    ("left_out", "selected", "listed"), [(("raw",), False, False), (("names",), True, False), (("raw", "names"), 0, 0)]
)
def test_what_there_is_not_is_left_out(left_out, selected, listed, project, tiny_encoder):
    """The steps that take raw text and list, in the workflow of a user who has one of them or neither."""
    variables = dict.fromkeys(left_out, "")
    printed = []
    for name in ("select", "dapt", "label-names", "train-source", "train"):
        code, output = project(name, **variables)
        assert code == 0, output
        printed.append(output)
    assert bool((project.folder / "corpus/raw-ai/selected.txt").read_text()) is bool(selected)
    assert bool(read_docbin(project.folder / "corpus/listed-ai/train.spacy", Vocab())) is bool(listed)
    assert ("is the encoder, unchanged" in printed[1]) is not bool(selected)
    adapted, given = (
        load_file(path / "model.safetensors") for path in (project.folder / "training/ai/encoder", tiny_encoder)
    )
    same = all((adapted[name] == weight).all() for name, weight in given.items() if name in adapted)
    assert same is not bool(selected)


def test_a_change_of_the_encoder_is_seen(project, tiny_encoder):
    encoder = project.folder / "own encoder"
    shutil.copytree(tiny_encoder, encoder)
    variables = {"encoder": encoder.name, "domain": "news"}
    project("convert", **variables)
    assert project("train-direct", **variables)[0] == 0
    assert "is up to date" in project("train-direct", **variables)[1]
    weights = load_file(encoder / "model.safetensors")
    weights["embeddings.LayerNorm.bias"][3] += 1
    save_file(weights, encoder / "model.safetensors", metadata={"format": "pt"})
    assert "Changed since it was written: the content of own encoder" in project("train-direct", **variables)[1]


@pytest.mark.parametrize(
    ("command", "variables", "message"),
    [
        ("convert", {"corpus": "assets/nowhere"}, "assets/nowhere"),
        ("train-direct", {"encoder": "no/such-encoder"}, "Cannot find the encoder 'no/such-encoder'"),
        ("train-direct", {"method": "magic"}, "configs/magic.cfg"),
    ],
)
def test_what_is_missing_is_named_in_one_message(project, capsys, command, variables, message):
    code, output = project(command, **variables)
    assert code == 1
    assert message in output + " ".join(capsys.readouterr().out.split())


def test_one_labelled_file_is_enough(project):
    """In German, to see that the language reaches every step."""
    corpus = project.folder / "mine" / "contracts"
    corpus.mkdir(parents=True)
    lines = [f"[Ada](person) schrieb z.B. an [Köln](place) und {i} mehr." for i in range(20)]
    (corpus / "contracts.txt").write_text("\n".join(lines), encoding="utf8")
    names = {"corpus": "mine", "domain": "contracts", "lang": "de", "raw": "raw.txt", "names": "names.txt", "types": ""}
    code, output = project("convert", **names)
    assert code == 0, output
    held_out = [
        doc.text
        for name in ("dev", "test")
        for doc in read_docbin(project.folder / "corpus" / "contracts" / f"{name}.spacy", Vocab())
    ]
    assert len(held_out) == 8
    # Two sentences of the set and one of test, in other spellings.
    number = re.search(r"\d+", held_out[-1])[0]
    raw = [
        f"Ada\u00a0schrieb z.B. an Ko\u0308ln und {number} mehr.",
        f"ADA schrieb Z.B. an Kö\u00adln und {number} mehr .",
        "Ada war in Köln, und Köln ist schön.",
    ]
    (project.folder / "raw.txt").write_text("\n".join(raw), encoding="utf8")
    (project.folder / "names.txt").write_text("Ko\u0308ln\nAda\n", encoding="utf8")
    code, output = project("select", **names)
    assert code == 0, output
    selected = json.loads((project.folder / "corpus/raw-contracts/selected.txt.json").read_text(encoding="utf8"))
    assert (selected["sentences_read"], selected["excluded"], selected["mentions"]) == (3, 2, 3)
    assert project("train-direct", **names)[0] == 0
    # With another language than the corpus has, training does not begin.
    code, output = project("train-direct", **{**names, "lang": "en"})
    assert code == 1
    assert "[C160]" in output


def test_a_grid_takes_the_steps_of_the_project(project, shorten, monkeypatch):
    """Each way in its own folder: the scores of a run are those of its setting, and the source stage is shared."""
    ran = []

    def run_here(words, folder, output):
        begun = time.perf_counter()
        monkeypatch.chdir(folder)
        result = CliRunner().invoke(app, shorten(words)[4:])
        output.write(result.output.encode())
        ran.append(words[4])
        return result.exit_code, time.perf_counter() - begun

    monkeypatch.setattr(step, "_run", run_here)
    options = ["--settings", "direct,no-dapt", "--methods", METHOD, "--seeds", "1,2"]
    options += ["--var", f"encoder={project.variables['encoder']}", "--var", "seeds=1"]
    result = CliRunner().invoke(app, ["compare", str(project.folder), *options])
    assert result.exit_code == 0, result.output
    assert "4/4" in result.output
    assert ran.count("train") == 2 + 1 + 2
    runs = [json.loads(line) for line in (project.folder / "metrics/compare/runs.jsonl").read_text().splitlines()]
    assert [(run["setting"], run["seed"]) for run in runs] == [
        ("direct", 1),
        ("no-dapt", 1),
        ("direct", 2),
        ("no-dapt", 2),
    ]
    for run in runs:
        way = json.loads((project.folder / "metrics" / "ai" / METHOD / f"{run['setting']}.json").read_text())
        assert run["dev_f"] is not None
        if run["seed"] == 2:
            assert run["test"]["f"] == pytest.approx(way["strict"]["f"])
    again = CliRunner().invoke(app, ["compare", str(project.folder), *options])
    assert again.output.count("(known)") == 4


def test_names_may_hold_blanks_and_any_letter(tmp_path, tiny_encoder, repository, make_project, shorten):
    """A project in such a folder, with such variables; the first step runs as a process of `spacy project run`."""
    folder = tmp_path / "my project" / "ä b"
    shutil.copytree(repository / "configs", folder / "configs")
    sample, texts = repository / "assets" / "sample", folder / "mein Text"
    shutil.copytree(sample / "ai", texts / "künstliche 智能")
    shutil.copy(sample / "ai_raw.txt", texts / "roh er.txt")
    shutil.copy(sample / "ai_entities.tsv", texts / "namen s.tsv")
    shutil.copytree(tiny_encoder, folder / "klein er encoder")
    config = srsly.read_yaml(repository / "project.yml")
    for command in config["commands"]:
        # The same lines, but for the options that make them quick.
        command["script"] = [
            " ".join(shorten(re.findall(r'"[^"]*"|\S+', line))) if " crossner " in line else line
            for line in command["script"]
        ]
    config["workflows"] = {"begin": ["convert"], "rest": ["select", "dapt", "train-direct", "calibrate", "evaluate"]}
    srsly.write_yaml(folder / "project.yml", config)
    variables = {
        "corpus": "mein Text",
        "domain": "künstliche 智能",
        "raw": "mein Text/roh er.txt",
        "names": "mein Text/namen s.tsv",
        "encoder": "klein er encoder",
        "method": METHOD,
    }
    words = [word for name, value in variables.items() for word in (f"--vars.{name}", value)]
    command = [sys.executable, "-W", "ignore", "-m", "spacy", "project", "run", "begin", str(folder), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    code, output = make_project(folder)("rest", **variables)
    assert code == 0, output
    scores = json.loads((folder / "metrics" / "künstliche 智能" / METHOD / "direct.json").read_text(encoding="utf8"))
    assert scores["sentences"] == 12
    assert (folder / "training" / "künstliche 智能" / "encoder" / "config.json").is_file()
