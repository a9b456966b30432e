"""A web service that annotates texts. Texts of requests that arrive at the same time are annotated together.

CROSSNER_PIPELINE=crossner_ai uvicorn --app-dir examples/serve --factory app:from_environment
"""

import asyncio
import logging
import os
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Any, AsyncIterator, Awaitable, Callable, Dict, List, Optional, Sequence, Tuple

import spacy
from batcher import Annotate, Batcher, Record, Unavailable, on_signal
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel
from spacy.language import Language

from spacy_crossner.errors import CrossnerError
from spacy_crossner.inference.annotate import annotate_records
from spacy_crossner.inference.rows import Row, make_record


@dataclass(frozen=True)
class Limits:
    """Limits of a request, the queue and a batch.

    texts (int): texts in a request.
    characters (int): characters in a text.
    body (int): bytes in the body of a request.
    queue (int): texts that wait, of all requests.
    batch (int): texts that are annotated together.
    wait (float): seconds for which the first text of a batch waits for others. With 0, a batch has the texts that wait.
    """

    texts: int = 64
    characters: int = 20_000
    body: int = 1_000_000
    queue: int = 1024
    batch: int = 32
    wait: float = 0.0


def check_unicode(text: str) -> str:
    """Return a text. RAISES (ValueError): it has half of a surrogate pair, which JSON allows."""
    text.encode("utf-8")
    return text


class Texts(BaseModel):
    """The body of a request to `/annotate`."""

    texts: List[Annotated[str, AfterValidator(check_unicode)]]


class BodyLimit:
    """ASGI middleware that refuses a body that is too large, with status 413, before the rest of it is read."""

    def __init__(self, app: Callable[..., Awaitable[None]], most: int) -> None:
        self.app = app
        self.most = most

    async def __call__(self, scope: Dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        """Count the bytes that the app reads."""
        n_read = 0

        async def receive_counted() -> Any:
            nonlocal n_read
            message = await receive()
            n_read += len(message.get("body", b""))
            if n_read > self.most:
                found = dict(scope["headers"]).get(b"content-length", b"more than %d" % self.most).decode("latin-1")
                raise HTTPException(413, f"The body has {found} bytes. The limit is {self.most}.")
            return message

        await self.app(scope, receive_counted, send)


def annotate(nlp: Language, rows: Sequence[Row]) -> List[Record]:
    """Return the records of texts, as `spacy crossner annotate` writes them: with `error` if the pipeline fails."""
    try:
        return annotate_records(nlp, rows)
    except CrossnerError:
        # The pipeline fails on all texts. Each row has its error.
        return [make_record(row, None) for row in rows]


def load(pipeline: str) -> Tuple[Annotate, Record]:
    """Load a pipeline and annotate a first text. Return the function that annotates, and what `/health` says.

    RAISES (RuntimeError): the pipeline fails on the text.
    """
    nlp = spacy.load(pipeline)
    (record,) = annotate(nlp, [Row("Ada Lovelace wrote notes in London.", place="first text")])
    if "error" in record:
        raise RuntimeError(record["error"])
    finders = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    labels = sorted({label for name in finders for label in nlp.pipe_labels.get(name, [])})
    return partial(annotate, nlp), {"name": nlp.meta["name"], "version": nlp.meta["version"], "labels": labels}


async def run(app: FastAPI, pipeline: str, executor: Executor) -> None:
    """Load the pipeline, and annotate texts until the queue is closed. All of it is in the thread of the executor."""
    try:
        function, about = await asyncio.get_running_loop().run_in_executor(executor, load, pipeline)
    except Exception as error:
        logging.getLogger("uvicorn.error").exception("Cannot load the pipeline %s", pipeline)
        app.state.health = {"status": "failed", "error": f"{type(error).__name__}: {error}"}
        return
    app.state.health = {"status": "ready", **about}
    await app.state.batcher.work(function)


def create_app(pipeline: str, limits: Optional[Limits] = None) -> FastAPI:
    """Return the service. Its pipeline is loaded when the server starts.

    pipeline (str): name of an installed package, or a folder.
    limits (Optional[Limits]): limits other than the default ones.
    """
    limits = limits or Limits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with ThreadPoolExecutor(1) as executor:
            batcher = Batcher(executor, most_waiting=limits.queue, most_texts=limits.batch, seconds=limits.wait)
            app.state.batcher = batcher
            running = asyncio.create_task(run(app, pipeline, executor))
            with on_signal(partial(asyncio.get_running_loop().call_soon_threadsafe, batcher.close)):
                yield
            batcher.close()
            await running

    app = FastAPI(title="spacy-crossner", lifespan=lifespan)
    app.state.health = {"status": "loading"}
    app.add_middleware(BodyLimit, most=limits.body)

    @app.exception_handler(RequestValidationError)
    async def explain(request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, which may be long, or have no form in UTF-8.
        found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        return JSONResponse({"detail": "; ".join(found)}, 422)

    @app.exception_handler(Unavailable)
    async def try_later(request: Request, error: Unavailable) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "1"})

    @app.post("/annotate")
    async def annotate_texts(body: Texts) -> JSONResponse:
        """Return `results`: a record for each text, in order."""
        if len(body.texts) > limits.texts:
            raise HTTPException(422, f"The request has {len(body.texts)} texts. The limit is {limits.texts}.")
        for i, text in enumerate(body.texts):
            if len(text) > limits.characters:
                raise HTTPException(422, f"texts[{i}] has {len(text)} characters. The limit is {limits.characters}.")
        if app.state.health["status"] != "ready":
            raise Unavailable(f"The pipeline is not ready: {app.state.health['status']}.")
        return JSONResponse({"results": await app.state.batcher.submit(body.texts)})

    @app.get("/health")
    async def health() -> JSONResponse:
        """Return name, version and labels of the pipeline. The status is 503 until the pipeline is ready."""
        return JSONResponse(app.state.health, 200 if app.state.health["status"] == "ready" else 503)

    return app


def from_environment() -> FastAPI:
    """Return the service for the pipeline in CROSSNER_PIPELINE. CROSSNER_BATCH and so on are its limits."""
    if "CROSSNER_PIPELINE" not in os.environ:
        raise RuntimeError("Set CROSSNER_PIPELINE to the name or the folder of a pipeline.")
    names = {limit.name: f"CROSSNER_{limit.name.upper()}" for limit in fields(Limits)}
    given = {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}
    limits = {name: type(getattr(Limits, name))(value) for name, value in given.items()}
    return create_app(os.environ["CROSSNER_PIPELINE"], Limits(**limits))
