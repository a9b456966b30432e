"""A run that is stopped goes on from its finished blocks, and its output is that of an undisturbed run."""

import pytest

from spacy_crossner.errors import CrossnerError
from spacy_crossner.inference import run
from spacy_crossner.inference.corpus import Corpus
from spacy_crossner.inference.run import annotate_corpus

from .conftest import SHORT


@pytest.fixture
def stop(monkeypatch):
    """Give a function that stops the run after a number of blocks."""

    def stop_after(count):
        blocks = iter(range(count))
        write = run.Parts.write

        def write_or_stop(self, number, part):
            if next(blocks, None) is None:
                raise KeyboardInterrupt
            write(self, number, part)

        monkeypatch.setattr(run.Parts, "write", write_or_stop)
        return lambda: monkeypatch.setattr(run.Parts, "write", write)

    return stop_after


@pytest.fixture
def stop_joining(monkeypatch):
    """Stop the run when its output is joined, and leave a half-written file."""

    def join_and_stop(self, blocks, path):
        path.write_bytes(next(iter(blocks)))
        raise KeyboardInterrupt

    def begin():
        monkeypatch.setattr("spacy_crossner.inference.forms.JsonLines.join", join_and_stop)
        return monkeypatch.undo

    return begin


@pytest.mark.parametrize("output", ["out.jsonl", "out.jsonl.gz", "out.spacy", "out.parquet"])
def test_a_run_that_was_killed_twice_gives_the_same_bytes(output, write, model, stop, tmp_path):
    path = write("in.jsonl", SHORT * 3)
    annotate_corpus(Corpus(str(model), [path], tmp_path / "undisturbed" / output, block=2))
    corpus = Corpus(str(model), [path], tmp_path / output, block=2)
    for _ in range(2):
        go_on = stop(3)
        with pytest.raises(KeyboardInterrupt):
            annotate_corpus(corpus)
        assert not (tmp_path / output).exists()
        go_on()
    assert len(list((tmp_path / f".{output}.parts").glob("*.msgpack"))) == 6
    report = annotate_corpus(corpus)
    assert report.n_kept == 12
    assert report.counts.texts == 21
    for name in (output, f"{output}.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()
    assert not (tmp_path / f".{output}.parts").exists()


def test_a_run_that_was_killed_while_it_joined_goes_on(write, model, stop_joining, tmp_path):
    corpus = Corpus(str(model), [write("in.txt", SHORT)], tmp_path / "out.jsonl", block=2)
    go_on = stop_joining()
    with pytest.raises(KeyboardInterrupt):
        annotate_corpus(corpus)
    assert not (tmp_path / "out.jsonl").exists()
    go_on()
    assert annotate_corpus(corpus).n_kept == len(SHORT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl", "out.jsonl.json"]


def test_blocks_of_other_inputs_are_not_used(write, model, stop, tmp_path):
    path = write("in.txt", SHORT)
    go_on = stop(2)
    with pytest.raises(KeyboardInterrupt):
        annotate_corpus(Corpus(str(model), [path], tmp_path / "out.jsonl", block=2))
    go_on()
    # A pipeline that is not there costs no blocks.
    with pytest.raises(CrossnerError, match=r"C203.*nowhere"):
        annotate_corpus(Corpus(str(tmp_path / "nowhere"), [path], tmp_path / "out.jsonl", block=2))
    assert (tmp_path / ".out.jsonl.parts" / "1.msgpack").exists()
    path.write_text("Ada\n" + path.read_text())
    report = annotate_corpus(Corpus(str(model), [path], tmp_path / "out.jsonl", block=2))
    assert (report.n_kept, report.counts.texts) == (0, len(SHORT) + 1)
