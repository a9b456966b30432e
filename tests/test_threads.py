"""Several threads, and forked children."""

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import spacy
from spacy.training import Example
from thinc.api import NumpyOps, fix_random_seed, get_current_ops

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.encoders.word_encoder import WordEncoder
from spacy_crossner.threads import Lock

HANDLES_FORKS = sys.platform == "linux"

FORK = """
import os, signal
import numpy, spacy, spacy_crossner, torch

def work():
    (torch.randn(500, 500) @ torch.randn(500, 500)).exp().sum()

def threads_in_a_child():
    child = os.fork()
    if child == 0:
        # A child that torch's threads hang would never end: an alarm ends it.
        signal.alarm(60)
        work()
        os._exit(torch.get_num_threads())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

before_work = threads_in_a_child()
work()
print(torch.get_num_threads(), before_work, threads_in_a_child())
"""


@pytest.mark.skipif(not HANDLES_FORKS, reason="forks on Linux")
def test_a_forked_child_keeps_torchs_threads_unless_they_would_hang_it():
    # In a process of its own, where torch has not worked yet.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("OMP_NUM_THREADS", None)
    out = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, env=environment)
    threads, before_work, after_work = map(int, out.stdout.split())
    assert (before_work, after_work) == (threads, 1)


def test_a_copy_of_a_lock_is_another_one():
    lock = Lock()
    with lock:
        for other in (copy.deepcopy(lock), pickle.loads(pickle.dumps(lock))):
            # It would wait here for ever, were it the same: another thread asks.
            with ThreadPoolExecutor(1) as pool:
                pool.submit(other.__enter__).result(timeout=5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_lock_that_another_thread_holds_is_free_in_a_child():
    lock, held, done = Lock(), threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if child == 0:
        # If it were not free an alarm ends the child.
        import signal

        signal.alarm(10)
        with lock:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0


def add_ner(nlp, layout, tiny_encoder, **windows):
    """Add `crf_ner` to a pipeline, with an encoder in one of the layouts."""
    pooling = {"@layers": "reduce_mean.v1"}
    spans = {"@span_getters": "spacy_crossner.PieceWindows.v1", **windows}
    if layout == "inside":
        tok2vec = {"@architectures": "spacy_crossner.Encoder.v1", "name": str(tiny_encoder), **windows}
    elif layout == "inside, spacy-transformers":
        tok2vec = {"@architectures": "spacy_crossner.Tok2VecTransformer.v1", "pooling": pooling}
        tok2vec.update(name=str(tiny_encoder), get_spans=spans)
    else:
        model = {"@architectures": "spacy_crossner.TransformerModel.v1", "name": str(tiny_encoder), "get_spans": spans}
        nlp.add_pipe("transformer", config={"model": model})
        tok2vec = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": pooling}
    return nlp.add_pipe("crf_ner", name="ner", config={"model": {"tok2vec": tok2vec}})


LAYOUTS = [
    "inside",
    pytest.param("inside, spacy-transformers", marks=pytest.mark.spacy_trf),
    pytest.param("shared", marks=pytest.mark.spacy_trf),
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_encoder_gives_threads_the_answer_of_one(tiny_encoder, annotated_docs, layout):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    add_ner(nlp, layout, tiny_encoder, pieces=24, overlap=6)
    docs = annotated_docs(nlp)
    examples = [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs]
    nlp.initialize(lambda: examples)
    ner = nlp.get_pipe("ner")
    ner.candidates_key, ner.candidates_floor = "all", 0.01
    # Long ones are counted before they are cut, with other settings of the tokenizer.
    texts = [doc.text for doc in docs] + [" ".join(doc.text for doc in docs[i:]) for i in range(0, 20, 4)]

    def answer(text):
        doc = nlp(text)
        return [(span.start, span.end, span.label_, span._.score) for span in doc.spans["all"]]

    expected = [answer(text) for text in texts]
    assert any(expected)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(answer, texts * 4))
    finally:
        sys.setswitchinterval(interval)
    assert sum(a != b for a, b in zip(found, expected * 4, strict=True)) == 0


def test_a_pipeline_is_saved_while_threads_predict(tiny_encoder, annotated_docs):
    fix_random_seed(0)
    nlp = spacy.blank("xx")
    add_ner(nlp, "inside", tiny_encoder)
    docs = annotated_docs(nlp)
    nlp.initialize(lambda: [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs])
    text = " ".join(doc.text for doc in docs)
    expected, saved = nlp(text).to_json(), nlp.to_bytes()
    done, interval = threading.Event(), sys.getswitchinterval()

    def predict():
        found = []
        while not done.is_set():
            found.append(nlp(text).to_json())
        return found

    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(3) as pool:
            threads = [pool.submit(predict) for _ in range(3)]
            try:
                assert [nlp.to_bytes() == saved for _ in range(10)] == [True] * 10
            finally:
                done.set()
            answers = [answer for thread in threads for answer in thread.result()]
    finally:
        sys.setswitchinterval(interval)
    assert len(answers) > 0
    assert all(answer == expected for answer in answers)


class OtherOps(NumpyOps):
    """Ops that a new thread does not have, as those of a GPU."""

    name = "other"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_runs_with_its_own_ops_in_a_thread_that_has_others(tiny_encoder, annotated_docs, layout):
    # thinc's allocator for GPUs asks the thread's current ops on which device to allocate.
    nlp = spacy.blank("en")
    add_ner(nlp, layout, tiny_encoder)
    docs = annotated_docs(nlp)
    nlp.initialize(lambda: [Example(without_annotation(doc, nlp.vocab), doc) for doc in docs])
    names = []
    ops = OtherOps()
    for pipe in (pipe for _, pipe in nlp.pipeline):
        for node in pipe.model.walk():
            node.ops = ops
            for shim in node.shims:
                method = "predict_words" if isinstance(shim, WordEncoder) else "predict"
                original = getattr(shim, method)

                def watch(inputs, predict=original):
                    names.append(get_current_ops().name)
                    return predict(inputs)

                setattr(shim, method, watch)
    with ThreadPoolExecutor(1) as pool:
        doc, after = pool.submit(lambda: (nlp("Ada met Grace in Oslo."), get_current_ops().name)).result()
    # An encoder and a head.
    assert names == ["other", "other"]
    assert after == "numpy"
    if layout != "shared":
        # The whole update, since gradients are allocated, too.
        ner, seen = nlp.get_pipe("ner"), []
        finish = ner.finish_update
        ner.finish_update = lambda sgd: (seen.append(get_current_ops().name), finish(sgd))
        examples = [Example(without_annotation(gold, nlp.vocab), gold) for gold in docs]
        optimizer = nlp.create_optimizer()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(ner.update, examples, sgd=optimizer).result()
        assert seen == ["other"]
    assert len(doc)
