"""Several worker processes give the output of one, and a worker that is killed is named."""

import multiprocessing
import signal

import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.inference import run
from spacy_crossner.inference.corpus import Corpus
from spacy_crossner.inference.run import annotate_corpus

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


def test_the_error_of_a_worker_is_that_of_the_pipeline(write, model, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.cfg").write_text("[nlp")
    with pytest.raises(CrossnerError, match=r"C203.*broken"):
        annotate_corpus(Corpus(str(tmp_path / "broken"), [write("in.txt", SHORT)], tmp_path / "out.jsonl", processes=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "in.txt"]
