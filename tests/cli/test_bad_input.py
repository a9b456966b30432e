"""Whatever is wrong with what a command is given: one message that names it, no traceback, nothing left behind."""

import os
import shutil

import pytest

from .calls import CALLS, inputs_of, paths, refused, words_of

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
    # An empty corpus is one.
    "corpus": [missing, a_folder, a_binary_file, unreadable],
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
        with_text("", 'lang = "xx"', 'lang = "qq"'),
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
    "labels": FILES,
    "folder": FILES,
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
