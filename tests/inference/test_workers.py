"""Several worker processes give the output of one, and a worker that is killed is named."""

import multiprocessing
import pickle
import signal

import pytest

from spacy_crossner.errors import CrossnerError, DataError
from spacy_crossner.inference import run
from spacy_crossner.inference.corpus import Corpus
from spacy_crossner.inference.forms import JsonLines
from spacy_crossner.inference.run import annotate_corpus
from spacy_crossner.inference.workers import Worker

from .conftest import SHORT


def test_two_processes_give_the_output_of_one_and_a_killed_worker_costs_no_block(write, model, tmp_path, monkeypatch):
    path = write("in.jsonl", SHORT * 4)
    annotate_corpus(Corpus(str(model), [path], tmp_path / "one" / "out.jsonl", block=2))
    read, write_part, killed = run.Parts.read, run.Parts.write, []

    def write_first(self, number, part):
        write_part(self, number, part)
        raise KeyboardInterrupt

    def read_and_kill(self, number):
        # The workers start while the third block is read.
        if number == 3 and not killed:
            killed.append(multiprocessing.active_children()[0])
            killed[0].kill()
            killed[0].join()
        return read(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(run.Parts, "write", write_first)
        with pytest.raises(KeyboardInterrupt):
            annotate_corpus(Corpus(str(model), [path], tmp_path / "out.jsonl", block=2))
    corpus = Corpus(str(model), [path], tmp_path / "out.jsonl", block=2, processes=2)
    with monkeypatch.context() as patch:
        patch.setattr(run.Parts, "read", read_and_kill)
        with pytest.raises(CrossnerError, match=r"C638.*--processes"):
            annotate_corpus(corpus)
    assert killed[0].exitcode == -signal.SIGKILL
    assert not (tmp_path / "out.jsonl").exists()
    assert [part.name for part in (tmp_path / ".out.jsonl.parts").glob("*.msgpack")] == ["0.msgpack"]
    assert annotate_corpus(corpus).n_kept == 2
    for name in ("out.jsonl", "out.jsonl.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert not multiprocessing.active_children()


def test_an_error_in_a_worker_reaches_the_caller(model, monkeypatch):
    monkeypatch.setattr(Worker, "arguments", (f"{model}/nowhere", JsonLines(), -1))
    with pytest.raises(CrossnerError, match=r"C203.*nowhere"):
        Worker.annotate([])

    def fail(rows):
        raise DataError("C101", "file", 3, "this", "that")

    monkeypatch.setattr(Worker, "annotator", fail)
    with pytest.raises(CrossnerError) as caught:
        Worker.annotate([])
    # As it comes from one process to the other, which fails for a DataError.
    assert str(pickle.loads(pickle.dumps(caught.value))) == "[C101] file, line 3: found this; expected that."
