"""The example service on a real server: answers, batches, errors, health, settings, image."""

import importlib
import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from fnmatch import fnmatch

import pytest

from .service import FOLDER, OPEN, ROOT, check, post, serving, wait_until

ODD = [
    "",
    " \n\t ",
    "Zu\u0308rich, é and Paris \u200b\u00a0 Rome\ufeff",
    "Grace Hopper found a moth in the Mark II . 🦋👩‍🔬 Tommy",
    "a\x00b \x1b[0m \x85 and \u2028 Alan Turing",
    "(" * 100,
]


def test_answers_are_those_of_the_pipeline(client, texts, nlp):
    found = []
    for start in range(0, len(texts), 5):
        answer = post(client, texts[start : start + 5])
        assert answer.status_code == 200
        check(answer.json()["results"], texts[start : start + 5], nlp)
        found += [entity for result in answer.json()["results"] for entity in result["entities"]]
    assert len(found) > 20


def test_odd_texts(client, nlp):
    check(post(client, ODD).json()["results"], ODD, nlp)
    assert post(client, []).json() == {"results": []}


def test_parallel_requests_get_the_answers_of_their_own_texts(serve, model, texts, nlp, monkeypatch):
    sizes = []
    annotate = serve.annotate

    def count(nlp, rows):
        sizes.append(len(rows))
        return annotate(nlp, rows)

    monkeypatch.setattr(serve, "annotate", count)
    # Every text is unique.
    requests = [[f"{texts[(i + j) % len(texts)]} {i} {j}" for j in range(1 + i % 2)] for i in range(200)]
    with serving(serve.create_app(str(model), serve.Limits(batch=8))) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda each: post(client, each), requests))
    assert [answer.status_code for answer in answers] == [200] * 200
    for each, answer in zip(requests, answers, strict=True):
        check(answer.json()["results"], each, nlp)
    # The first one is the text of the start.
    assert sizes[0] == 1
    assert sum(sizes[1:]) == sum(map(len, requests))
    assert 1 < max(sizes) <= 8
    assert len(sizes) < 200


def test_a_text_on_which_the_pipeline_fails_gets_an_error(client, texts, nlp):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda i: post(client, [texts[i], f"BROKEN {i}", texts[i + 1]]), range(4)))
    for i, answer in enumerate(answers):
        assert answer.status_code == 200
        first, broken, last = answer.json()["results"]
        check([first, last], [texts[i], texts[i + 1]], nlp)
        assert (broken["text"], broken["entities"]) == (f"BROKEN {i}", [])
        assert re.search(r"texts\[1\]: the pipeline fails on the text: no such text", broken["error"])


def test_all_texts_of_a_batch_fail(client, texts, nlp):
    results = post(client, ["BROKEN", "BROKEN too"]).json()["results"]
    assert [result["text"] for result in results] == ["BROKEN", "BROKEN too"]
    assert all("no such text" in result["error"] for result in results)
    check(post(client, texts[:1]).json()["results"], texts[:1], nlp)


def test_an_error_of_a_whole_batch_is_an_error_of_its_requests(serve, model, texts, nlp, monkeypatch):
    annotate = serve.annotate

    def fail(nlp, rows):
        if rows[0].text == "LARGE":
            raise MemoryError
        return annotate(nlp, rows)

    monkeypatch.setattr(serve, "annotate", fail)
    with serving(serve.create_app(str(model))) as client:
        assert post(client, ["LARGE", "too"]).status_code == 500
        check(post(client, texts[:1]).json()["results"], texts[:1], nlp)


def test_health(client):
    expected = {"status": "ready", "name": "small", "version": "1.2.3", "labels": ["person", "place", "thing"]}
    assert client.get("/health").json() == expected


def test_health_before_the_pipeline_is_loaded(serve, model, texts, monkeypatch):
    load = serve.load

    def load_later(pipeline):
        assert OPEN.wait(30)
        return load(pipeline)

    monkeypatch.setattr(serve, "load", load_later)
    with serving(serve.create_app(str(model)), ready=False) as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()) == (503, {"status": "loading"})
        answer = post(client, texts[:1])
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["detail"] == "The pipeline is not ready: loading."
        OPEN.set()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert post(client, texts[:1]).status_code == 200


def test_health_of_a_pipeline_that_cannot_be_used(serve, model, tmp_path, monkeypatch):
    with serving(serve.create_app(str(tmp_path / "none")), ready=False) as client:
        wait_until(lambda: client.get("/health").json()["status"] == "failed")
        answer = client.get("/health")
        assert answer.status_code == 503
        assert "OSError: [E050]" in answer.json()["error"]
        assert post(client, ["a"]).json()["detail"] == "The pipeline is not ready: failed."
    monkeypatch.setattr(serve, "Row", lambda text, place: importlib.import_module("batcher").Row("BROKEN", place=place))
    with pytest.raises(RuntimeError, match="first text: the pipeline fails on the text: no such text"):
        serve.load(str(model))


def test_settings_from_the_environment(serve, model, monkeypatch):
    apps = []
    monkeypatch.setattr(serve, "create_app", lambda *settings: apps.append(settings))
    monkeypatch.delenv("CROSSNER_PIPELINE", raising=False)
    with pytest.raises(RuntimeError, match="Set CROSSNER_PIPELINE"):
        serve.from_environment()
    monkeypatch.setenv("CROSSNER_PIPELINE", str(model))
    serve.from_environment()
    monkeypatch.setenv("CROSSNER_BATCH", "1")
    monkeypatch.setenv("CROSSNER_WAIT", "0.1")
    serve.from_environment()
    assert apps == [(str(model), serve.Limits()), (str(model), serve.Limits(batch=1, wait=0.1))]


def test_the_readme_has_the_limits(serve):
    text = (FOLDER / "README.md").read_text(encoding="utf8")
    found = dict(re.findall(r"^\| `CROSSNER_(\w+)` \| (\S+) \|", text, re.M))
    assert found == {name.upper(): str(value) for name, value in asdict(serve.Limits()).items()}


def test_the_image_has_the_files_that_it_needs(serve):
    text = (FOLDER / "Dockerfile").read_text(encoding="utf8").replace("\\\n", " ")
    lines = [line.split(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf8").splitlines()
    assert ignored[0] == "*"
    copied = [name for instruction, words in lines if instruction == "COPY" for name in words.split()[:-1]]
    for name in copied:
        assert any(fnmatch(re.sub(r"\$\{\w+\}", "x", name), line[1:]) for line in ignored[1:]), name
        # Wheels are built.
        assert (ROOT / name).is_file() or name.startswith(("dist/", "packages/"))
    assert {path for path in copied if path.endswith(".py")} == {
        f"examples/serve/{path.name}" for path in FOLDER.glob("*.py")
    }
    program, *words = json.loads(dict(lines)["CMD"])
    module, function = words[words.index("--factory") + 1].split(":")
    assert (program, module) == ("uvicorn", "app")
    assert callable(getattr(serve, function))
    assert dict(lines)["USER"] not in ("root", "0")
