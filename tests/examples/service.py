"""A server of the app in a thread, and a component that lets the tests decide when a text is annotated."""

import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from spacy.language import Language

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "serve"
PROBE = "test_serve_probe"
# A text with WAIT sets the first and waits for the second.
ENTERED, OPEN = threading.Event(), threading.Event()


@Language.component(PROBE)
def probe(doc):
    if "BROKEN" in doc.text:
        raise ValueError("no such text")
    if "WAIT" in doc.text:
        ENTERED.set()
        assert OPEN.wait(30)
    return doc


def entities_of(doc):
    return [{"start": ent.start_char, "end": ent.end_char, "label": ent.label_, "text": ent.text} for ent in doc.ents]


def check(results, texts, nlp):
    """Check results against the pipeline on each text alone. Scores depend on the batch in the last digits."""
    assert [result["text"] for result in results] == texts
    for result, doc in zip(results, map(nlp, texts), strict=True):
        assert [entity.pop("score") for entity in result["entities"]] == pytest.approx(
            [ent._.score for ent in doc.ents], abs=1e-4
        )
        assert result == {"text": doc.text, "entities": entities_of(doc)}


def post(client, texts):
    return client.post("/annotate", json={"texts": texts})


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@contextmanager
def serving(app, ready=True):
    """Run a server in a thread, and give a client of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with httpx.Client(base_url=url, timeout=30) as client:
                wait_until(lambda: server.started)
                if ready:
                    wait_until(lambda: client.get("/health").status_code == 200)
                yield client
        finally:
            OPEN.set()
            server.should_exit = True
            thread.join()
