"""One process at a time writes an output: the second is told so at once, and a kill leaves nothing behind."""

import time
from contextlib import suppress
from multiprocessing import get_context

import pytest
import spacy
from spacy.tokens import Doc
from typer.testing import CliRunner

from spacy_crossner.cli import app
from spacy_crossner.data.docbin import write_docbin
from spacy_crossner.errors import CrossnerError
from spacy_crossner.storage.locks import lock_path, only_writer


@pytest.fixture
def hold():
    """Give a function that has another process hold the lock of an output."""
    processes = []

    def keep(output, ready):
        with only_writer(output):
            ready.send("held")
            # For ever: nobody answers.
            ready.recv()

    def begin(output):
        # Forked: it has imported all that takes seconds.
        context = get_context("fork")
        ours, theirs = context.Pipe()
        process = context.Process(target=keep, args=(output, theirs), daemon=True)
        process.start()
        processes.append(process)
        assert ours.poll(60)
        assert ours.recv() == "held"
        return process

    yield begin
    for process in processes:
        process.kill()
        process.join()


def test_a_second_process_is_refused_at_once_and_a_kill_frees_the_lock(hold, tmp_path):
    process = hold(tmp_path / "out")
    begun = time.perf_counter()
    with pytest.raises(CrossnerError, match=r"C068.*out"), only_writer(tmp_path / "out"):
        raise AssertionError("entered")
    assert time.perf_counter() - begun < 1
    # Another output is free.
    with only_writer(tmp_path / "other"):
        pass
    process.kill()
    process.join()
    # The file is left by a kill, and no hindrance.
    assert lock_path(tmp_path / "out").exists()
    with only_writer(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_leaves_no_folder_and_no_file(tmp_path):
    output = tmp_path / "a" / "b" / "out"
    with suppress(ZeroDivisionError), only_writer(output):
        assert lock_path(output).exists()
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with only_writer(tmp_path / "a" / "out"):
        (tmp_path / "a" / "out").write_text("made")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CrossnerError, match=r"C118.*file/out"), only_writer(tmp_path / "file" / "out"):
        raise AssertionError("entered")


COMMANDS = {
    "train": ["train", "{config}", "-o", "{out}"],
    "dapt": ["dapt", "{encoder}", "{text}", "-o", "{out}", "-g", "-1"],
    "vectors": ["vectors", "{text}", "-o", "{out}"],
    "convert": ["convert", "{text}", "{spacy}", "-d", "ai", "--raw"],
    "augment": ["augment", "{docs}", "{docs}", "-o", "{spacy}"],
    "select": ["select", "{text}", "-o", "{out}", "--level", "domain"],
    "split": ["split", "{docs}", "{out}", "--sizes", "a=1"],
    "label": ["label", "{model}", "{text}", "-o", "{spacy}"],
    "calibrate": ["calibrate", "{model}", "{docs}", "-o", "{out}"],
    "package": ["package", "{model}", "{folder}", "-n", "out"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_takes_its_time_has_the_lock(command, tmp_path, tiny_encoder):
    nlp = spacy.blank("xx")
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "text").write_text("Ada met Grace.\n")
    (tmp_path / "config.cfg").write_text("[nlp]\nlang = en\n")
    write_docbin([Doc(nlp.vocab, words=["Ada"], ents=["B-person"])], tmp_path / "docs.spacy")
    named = {"config": tmp_path / "config.cfg", "out": tmp_path / "out", "spacy": tmp_path / "out.spacy"}
    named.update(encoder=tiny_encoder, text=tmp_path / "text", docs=tmp_path / "docs.spacy", folder=tmp_path)
    named.update(model=tmp_path / "model")
    words = COMMANDS[command]
    # A lock keeps out whoever does not hold it, in the same process too.
    with only_writer(named["spacy"] if "{spacy}" in words else named["out"]):
        result = CliRunner().invoke(app, [word.format(**named) for word in words])
    assert result.exit_code == 1
    assert "[C068]" in result.output
    assert not named["out"].exists()
    assert not named["spacy"].exists()
