"""`pipe` begins a batch before it reads the results of the one before, as on a GPU: the same answers, in order."""

import pytest
from spacy.tokens import Doc

from spacy_crossner.core.decoding import PredictingComponent

from .components import entities


def annotated(docs):
    return [(entities(doc), [ent._.score for ent in doc.ents]) for doc in docs]


def copies(nlp, docs):
    return [Doc(nlp.vocab, words=[token.text for token in doc]) for doc in docs]


@pytest.fixture(params=[False, True], ids=["one batch after the other", "overlapped"])
def overlapped(request, monkeypatch):
    monkeypatch.setattr(PredictingComponent, "_is_asynchronous", lambda self: request.param)
    return request.param


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_docs_come_in_order_with_the_answers_of_predict(trained, overlapped, batch_size):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    stream = copies(nlp, docs)
    found = list(ner.pipe(iter(stream), batch_size=batch_size))
    assert all(a is b for a, b in zip(found, stream, strict=True))
    expected = copies(nlp, docs)
    for start in range(0, len(expected), batch_size):
        batch = expected[start : start + batch_size]
        ner.set_annotations(batch, ner.predict(batch))
    assert annotated(found) == annotated(expected)
    assert any(doc.ents for doc in found)


def test_a_batch_is_begun_before_the_one_before_is_read(trained, overlapped, monkeypatch):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    events = []
    begin, finish = ner.begin, ner.finish
    monkeypatch.setattr(ner, "begin", lambda docs: events.append("begin") or begin(docs))
    monkeypatch.setattr(ner, "finish", lambda begun: events.append("finish") or finish(begun))
    list(ner.pipe(copies(nlp, docs[:6]), batch_size=2))
    together = ["begin", "begin", "finish", "begin", "finish", "finish"]
    assert events == (together if overlapped else ["begin", "finish"] * 3)


@pytest.mark.parametrize("stage", ["begin", "finish"])
def test_a_failing_batch_goes_to_the_error_handler_and_the_others_go_on(trained, overlapped, monkeypatch, stage):
    nlp, docs = trained
    ner = nlp.get_pipe("ner")
    stream = copies(nlp, docs[:6])
    original, calls, failed = getattr(ner, stage), [], []

    def fail_second(argument):
        calls.append(argument)
        if len(calls) == 2:
            raise ValueError("no")
        return original(argument)

    monkeypatch.setattr(ner, stage, fail_second)
    ner.set_error_handler(lambda name, pipe, docs, error: failed.append((name, list(docs), str(error))))
    try:
        assert list(ner.pipe(stream, batch_size=2)) == [*stream[:2], *stream[4:]]
    finally:
        del ner.error_handler
    assert failed == [("ner", stream[2:4], "no")]


def test_a_stream_that_is_left_early_loses_no_doc_before(trained, overlapped):
    nlp, docs = trained
    stream = copies(nlp, docs[:6])
    taken = nlp.get_pipe("ner").pipe(iter(stream), batch_size=2)
    assert next(taken) is stream[0]
    taken.close()
    assert stream[0].has_annotation("ENT_IOB")
