"""Whatever is wrong with what a command is given: one message that names it, no traceback, nothing left behind."""

import os
import resource
import shutil
from pathlib import Path

import pytest
from spacy.tokens import Doc
from thinc.api import Config
from thinc.compat import has_torch_cuda_gpu
from typer.main import get_command
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin

TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 16, "depth": 1, "embed_size": 100, "window_size": 1}
TOK2VEC.update(maxout_pieces=2, subword_features=True, pretrained_vectors=None)
CRF = {"factory": "crf_ner", "model": {"@architectures": "spacy_crossner.CRF.v1", "tok2vec": TOK2VEC}}

# A call of each command that works, with the kind of each input in braces, `{kind:name}` where there are several.
CALLS = {
    "augment": "{docs:a} {docs:b} --output {new}/out.spacy",
    "bootstrap": "{model:a} {model:b} {docs} --samples 100 --output {new}/out.json",
    "calibrate": "{model} {docs} --output {new}/out",
    "compare": "{project} --settings one --methods crf --domains ai --seeds 1 --known {known} --output {new}/out",
    "convert": "{text} {new}/out.spacy --domain ai --raw --labels-out {new}/labels.json",
    "dapt": "{encoder} {text} --output {new}/out --max-steps 1 --block-size 16 --batch-size 2 -g -1",
    "evaluate": "{model} {docs} --drop-seen {docs:seen} --output {new}/out.json",
    "label": "{model} {text} --output {new}/out.spacy --threshold 0",
    "package": "{model} {new}/packages --name a_name",
    "report": "{model} {docs} --output {new}/out.html",
    "select": "{text} --entities {names} --exclude {docs} --min-entities 1 --output {new}/out.txt",
    "split": "{docs} {new}/out --sizes a=1,b=rest",
    "stats": "{docs} --json {new}/out.json",
    "train": "{config} --output {new}/out",
    "vectors": "{text} --output {new}/out --min-count 1 --width 4 --buckets 50 --epochs 1",
}

PROJECT = """
vars: {method: crf, domain: ai, seed: 0, target_sentences: 0}
workflows: {one: [score]}
commands:
  - name: score
    script: ["python -c pass ${vars.method} ${vars.domain} ${vars.seed} ${vars.target_sentences}"]
    outputs: ["metrics/${vars.method}.json"]
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory, tiny_encoder, annotated_docs, learn_by_heart):
    """Give a folder with an input of each kind that is as it should be."""
    folder = tmp_path_factory.mktemp("good")
    nlp, docs = learn_by_heart("crf_ner", {"model": CRF["model"]})
    nlp.to_disk(folder / "model")
    for name in ("docs", "docs_a", "docs_b"):
        write_docbin(docs, folder / f"{name}.spacy")
        for doc in docs:
            doc._.domain = "b"
    write_docbin([Doc(nlp.vocab, words=["Elsewhere"], ents=["O"])], folder / "seen.spacy")
    lines = [f"Ada met {a} in Paris , {b} works at the {a} lab in Oslo .\n" for a in "abcdefg" for b in "hijklmn"]
    (folder / "text.txt").write_text("".join(lines))
    (folder / "names.tsv").write_text("Ada\tperson\nOslo\tplace\n")
    (folder / "known.jsonl").write_text("")
    (folder / "project").mkdir()
    (folder / "project" / "project.yml").write_text(PROJECT)
    shutil.copytree(tiny_encoder, folder / "encoder")
    reader = {"@readers": "spacy_crossner.DomainReader.v1", "domains": {"a": {"path": str(folder / "docs.spacy")}}}
    training = {"train_corpus": "corpora.train", "dev_corpus": "corpora.dev", "seed": 0, "gpu_allocator": None}
    training.update(max_steps=1, eval_frequency=1, batcher={"@batchers": "spacy_crossner.PaddedBatcher.v1", "size": 8})
    Config(
        {
            "nlp": {"lang": "en", "pipeline": ["ner"]},
            "components": {"ner": CRF},
            "corpora": {"train": reader, "dev": reader},
            "training": {**training, "score_weights": {"ents_f": 1.0}},
            "initialize": {},
        }
    ).to_disk(folder / "config.cfg")
    return folder


def paths(good):
    return {
        "docs": good / "docs.spacy",
        "docs:a": good / "docs_a.spacy",
        "docs:b": good / "docs_b.spacy",
        "docs:seen": good / "seen.spacy",
        "text": good / "text.txt",
        "names": good / "names.tsv",
        "known": good / "known.jsonl",
        "model": good / "model",
        "model:a": good / "model",
        "model:b": good / "model",
        "config": good / "config.cfg",
        "encoder": good / "encoder",
        "project": good / "project",
    }


def words_of(command, named):
    text = CALLS[command]
    for name, path in named.items():
        text = text.replace("{" + name + "}", str(path))
    return [command, *text.split()]


def inputs_of(command):
    return [name for name in paths(Path()) if "{" + name + "}" in CALLS[command]]


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(words, folder, *said):
    """Call a command that has to refuse; say what it printed."""
    before = listing(folder)
    result = CliRunner().invoke(app, [str(word) for word in words])
    output = " ".join(result.output.split())
    assert isinstance(result.exception, SystemExit), f"{result.exception!r}: {output}"
    assert result.exit_code != 0, output
    assert "Traceback" not in output
    for part in said:
        assert part in output, output
    # A grid goes on past a step that fails, and keeps the logs.
    assert listing(folder) == before or words[0] == "compare"


# How a file or a folder is bad, by the kind of the input.
def missing(path):
    return None


def a_folder(path):
    path.mkdir()


def an_empty_file(path):
    path.write_bytes(b"")


def a_binary_file(path):
    path.write_bytes(bytes(range(256)) * 30)


def unreadable(path):
    path.write_bytes(b"text")
    path.chmod(0)
    if os.access(path, os.R_OK):
        # Root reads everything, but not this.
        path.unlink()
        path.symlink_to("/proc/self/mem")


def with_file(name, content):
    """Return what copies the good folder and changes a file of it."""

    def change(path, source):
        shutil.copytree(source, path)
        file = path / name
        if content is None:
            file.unlink()
        elif isinstance(content, int):
            file.write_bytes(file.read_bytes()[:content])
        else:
            file.write_bytes(content)

    change.__name__ = f"{name} {content!r:.20}"
    return change


def with_text(name, old, new):
    """Return what copies the good file or folder and changes some text of it."""

    def change(path, source):
        file = path
        if source.is_dir():
            shutil.copytree(source, path)
            file, source = path / name, source / name
        before = source.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))

    change.__name__ = f"{name} {new!r:.20}"
    return change


FILES = [missing, a_folder, an_empty_file, a_binary_file, unreadable]
BAD = {
    "docs": FILES,
    "text": FILES,
    # An empty list of names, or of runs, is one.
    "names": [missing, a_folder, a_binary_file, unreadable],
    "known": [missing, a_folder, unreadable],
    "model": [
        missing,
        an_empty_file,
        a_folder,
        unreadable,
        with_file("meta.json", None),
        with_file("meta.json", b"{]"),
        with_file("meta.json", b"3"),
        with_file("config.cfg", None),
        with_file("config.cfg", b"\xff\xfe"),
        with_file("ner/model", 200),
        with_file("ner/model", b"3"),
        with_file("vocab/strings.json", b"3"),
        with_file("vocab/vectors", b""),
        with_text("config.cfg", "crf_ner", "no_ner"),
    ],
    "config": [
        *FILES,
        with_text("", "[nlp]", "[nlp"),
        with_text("", "[training]", "[training]\nunheard_of = 3"),
        with_text("", "max_steps = 1", 'max_steps = "many"'),
        with_text("", "crf_ner", "no_ner"),
        with_text("", "width = 16", "width = -3"),
        with_text("", "max_steps = 1", "max_steps = ${paths.steps}"),
        with_text("", "corpora.dev", "corpora.nowhere"),
        with_text("", 'lang = "en"', 'lang = "qq"'),
        with_text("", "size = 8", "size = 8\nunheard_of = 3"),
    ],
    "encoder": [
        missing,
        an_empty_file,
        a_folder,
        with_file("config.json", b"{]"),
        with_file("config.json", b"3"),
        with_file("config.json", b"{}"),
        with_file("model.safetensors", 200),
        with_file("model.safetensors", b"3"),
        with_file("tokenizer.json", b"{]"),
        with_text("config.json", '"hidden_size": 16', '"hidden_size": "x"'),
        with_text("config.json", '"hidden_size": 16', '"hidden_size": 32'),
    ],
    "project": [
        missing,
        an_empty_file,
        a_folder,
        with_file("project.yml", b"{a: ["),
        with_file("project.yml", b"\x00\xff"),
        with_file("project.yml", b""),
        with_file("project.yml", b"- a\n- b\n"),
        with_file("project.yml", b"commands: 3\n"),
        with_file("project.yml", b"workflows: 3\ncommands: []\nassets: 3\n"),
    ],
}


@pytest.mark.parametrize(
    ("command", "name", "make"),
    [
        pytest.param(command, name, make, id=f"{command}-{name}-{make.__name__}")
        for command in CALLS
        for name in inputs_of(command)
        for make in BAD[name.partition(":")[0]]
    ],
)
def test_a_bad_input_is_named(command, name, make, good, tmp_path):
    named = paths(good)
    source = named[name]
    named[name] = tmp_path / f"bad{source.suffix}"
    make(named[name]) if make in FILES else make(named[name], source)
    refused(words_of(command, {**named, "new": tmp_path}), tmp_path, "bad")


OUTPUTS = [
    (command, word)
    for command, text in CALLS.items()
    for word in text.split()
    if word.startswith("{new}") and command not in ("package", "split")
]


@pytest.mark.parametrize(("command", "output"), [*OUTPUTS, ("package", "{new}/packages"), ("split", "{new}/out")])
def test_an_output_that_cannot_be_written_is_named(command, output, good, tmp_path):
    (tmp_path / "file").write_text("mine")
    words = words_of(command, {**paths(good), "new": "{new}"})
    words = [word.replace("{new}", str(tmp_path / "file" if word == output else tmp_path)) for word in words]
    refused(words, tmp_path, "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("command", "output"), [*OUTPUTS, ("package", "{new}/packages"), ("split", "{new}/out")])
def test_a_full_disk_is_said_and_leaves_nothing(command, output, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may hold a byte: what the system says is all but what it says of a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        refused(words, tmp_path, tmp_path.name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "command",
    [command for command in CALLS if command in ("train", "dapt")]
    + [command for command, text in CALLS.items() if "{model" in text and command != "package"],
)
@pytest.mark.skipif(has_torch_cuda_gpu, reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(command, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    refused([*words, "--gpu-id", "0"], tmp_path, "GPU")


VALUES = {
    "augment": ["--source-times -1", "--source-sentences -1"],
    "bootstrap": ["--samples 3", "--samples many"],
    "compare": ["--seeds a", "--settings none", "--budget soon", "--var a", "--vary no_variable=3", "--methods ,"],
    "convert": ["--lang qq", "--format word", "--scheme mine", "--map person"],
    "dapt": [
        "--rate 0",
        "--rate nan",
        "--share 2",
        "--share 0",
        "--max-steps 0",
        "--masking all",
        "--block-size 9999",
        "--precision fp8",
        "--keep 2",
        "--held-out 1",
        "--batch-size 0",
    ],
    "evaluate": ["--batch-size 0"],
    "label": ["--threshold 2", "--threshold -1", "--threshold nan"],
    "package": ["--name 3", "--version one"],
    "report": ["--batch-size 0"],
    "select": ["--share 2", "--share 0", "--filter-size 0", "--upsample 0", "--level all", "--min-entities -1"],
    "split": ["--sizes a", "--sizes a=1,a=2", "--sizes a=-1", "--sizes a=999"],
    "stats": ["--lang qq"],
    "train": [
        "--epochs 0",
        "--epochs nan",
        "--evaluations 0",
        "--min-steps -1 --epochs 1",
        "--training.max_steps many",
        "--training.batcher.size 0",
        "--training.dropout 7",
        "--nowhere.at_all 3",
        "--training.seed",
        "lonely",
    ],
    "vectors": ["--width 0", "--lang qq", "--architecture glove", "--threads 0", "--epochs 0"],
}


@pytest.mark.parametrize(
    ("command", "option"), [(command, option) for command, options in VALUES.items() for option in options]
)
def test_a_value_out_of_range_is_named(command, option, good, tmp_path):
    words = words_of(command, {**paths(good), "new": tmp_path})
    refused([*words, *option.split()], tmp_path)


def test_every_command_is_in_the_table():
    # `assets` asks the network.
    assert {*CALLS, "assets"} == set(get_command(app).commands)


@pytest.mark.parametrize("command", [command for command in CALLS if command != "compare"])
def test_the_calls_of_the_table_work(command, good, tmp_path):
    """Otherwise a refusal would say nothing."""
    result = CliRunner().invoke(app, words_of(command, {**paths(good), "new": tmp_path}))
    assert result.exit_code == 0, result.output
    assert listing(tmp_path)
