"""Limits of the example service: wrong and large requests, a full queue, shutdown."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
import uvicorn

from .service import ENTERED, OPEN, check, post, serving, wait_until

ROOT = Path(__file__).parents[2]
SIGNALS = "CROSSNER_TEST_SIGNALS"
WRONG = {
    "texts": ({"texts": ["a"] * 9}, 422, "The request has 9 texts. The limit is 8."),
    "characters": ({"texts": ["a", "b" * 5001]}, 422, r"texts\[1\] has 5001 characters. The limit is 5000."),
    "no list": ({"texts": "a"}, 422, "body.texts: Input should be a valid list"),
    "a number": ({"texts": [1]}, 422, "body.texts.0: Input should be a valid string"),
    "no texts": ({"text": "a"}, 422, "body.texts: Field required"),
    "half a character": ({"texts": ["\ud83d"]}, 422, "body.texts.0: .*surrogates not allowed"),
    "no JSON": (b'{"texts": [', 422, "JSON"),
    "no UTF-8": (b'{"texts": ["\xe9"]}', 400, "body"),
    "deep": (b'{"texts": ' + b"[" * 19_000, 4, ""),
    "body": ({"texts": ["a" * 4000] * 5}, 413, "The body has 200[0-9]{2} bytes. The limit is 20000."),
    "large body": (b" " * 30_000_000, 413, "The body has 30000000 bytes. The limit is 20000."),
    "large body in chunks": ([b" " * 1000] * 1000, 413, "The body has more than 20000 bytes. The limit is 20000."),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_requests(client, kind):
    body, status, message = WRONG[kind]
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    content = iter(body) if isinstance(body, list) else body
    answer = client.post("/annotate", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status or answer.status_code // 100 == status
    assert re.search(message, answer.json()["detail"])
    assert client.get("/health").status_code == 200


def test_a_full_queue(serve, model, texts):
    app = serve.create_app(str(model), serve.Limits(queue=3, batch=2))
    with serving(app) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(post, client, ["WAIT"])
        assert ENTERED.wait(30)
        second = pool.submit(post, client, texts[:2])
        wait_until(lambda: app.state.batcher.queue.qsize() == 2)
        answer = post(client, texts[:2])
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["detail"] == (
            "The queue is full: 2 texts are waiting, and the request has 2. The limit is 3."
        )
        OPEN.set()
        assert [first.result().status_code, second.result().status_code] == [200, 200]
        assert post(client, texts[:2]).status_code == 200


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_a_signal_ends_the_requests_that_wait():
    # In a process of its own: a signal that is not caught would end the worker, and all of its tests.
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    words += [f"{__file__}::test_signal_in_this_process"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment[SIGNALS] = "1"
    done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "1 passed" in done.stdout


@pytest.mark.skipif(SIGNALS not in os.environ, reason="sends a signal to its own process; run by the test above")
def test_signal_in_this_process(serve, model, texts, nlp, monkeypatch):
    # uvicorn raises the signal again at its end.
    ends = []
    own = signal.signal(signal.SIGTERM, lambda *args: ends.append(args[0]))
    app = serve.create_app(str(model))
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(3) as pool:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            client = httpx.Client(base_url=url, timeout=30)

            def stop():
                try:
                    wait_until(lambda: client.get("/health").status_code == 200)
                    first = pool.submit(post, client, ["WAIT", texts[0]])
                    assert ENTERED.wait(30)
                    second = pool.submit(post, client, texts[:3])
                    wait_until(lambda: app.state.batcher.queue.qsize() == 3)
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)
                refused = second.result(timeout=30)
                OPEN.set()
                return refused, first.result(timeout=30)

            stopping = pool.submit(stop)
            asyncio.run(uvicorn.Server(uvicorn.Config(app, log_level="critical")).serve([listener]))
            refused, finished = stopping.result()
    finally:
        signal.signal(signal.SIGTERM, own)
    assert (refused.status_code, refused.json()) == (503, {"detail": "The service is shutting down."})
    check(finished.json()["results"], ["WAIT", texts[0]], nlp)
    assert ends == [signal.SIGTERM]


def test_a_closed_queue(serve, model, texts):
    app = serve.create_app(str(model))
    with serving(app) as client:
        app.state.batcher.close()
        answer = post(client, texts[:1])
        assert (answer.status_code, answer.json()["detail"]) == (503, "The service is shutting down.")
