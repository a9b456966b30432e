"""Batches of texts from several requests, and the end of the queue at a signal."""

import asyncio
import signal
import threading
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from spacy_crossner.inference.rows import Row

Record = Dict[str, Any]
Annotate = Callable[[Sequence[Row]], List[Record]]
# A text, and the result for which its request waits.
Item = Tuple[Row, asyncio.Future[Record]]


class Unavailable(Exception):
    """The service cannot take a text now. The message says why."""


class Batcher:
    """A queue of texts, which are annotated in batches, one batch after the other.

    executor (Executor): runs the batches.
    most_waiting (int): texts that wait, of all requests.
    most_texts (int): texts in a batch.
    seconds (float): how long the first text of a batch waits for others.
    """

    def __init__(self, executor: Executor, *, most_waiting: int, most_texts: int, seconds: float) -> None:
        self.executor = executor
        self.most_waiting = most_waiting
        self.most_texts = most_texts
        self.seconds = seconds
        self.closed = False
        # None wakes `work` when the queue is closed.
        self.queue: asyncio.Queue[Optional[Item]] = asyncio.Queue()

    async def submit(self, texts: Sequence[str]) -> List[Record]:
        """Return the records of texts, in order, when all of them are annotated.

        RAISES (Unavailable): the queue is full, or it is closed.
        """
        n_waiting = self.queue.qsize()
        if self.closed:
            raise Unavailable("The service is shutting down.")
        if n_waiting + len(texts) > self.most_waiting:
            found = f"{n_waiting} texts are waiting, and the request has {len(texts)}"
            raise Unavailable(f"The queue is full: {found}. The limit is {self.most_waiting}.")
        futures = [asyncio.get_running_loop().create_future() for _ in texts]
        for i, (text, future) in enumerate(zip(texts, futures, strict=True)):
            self.queue.put_nowait((Row(text, place=f"texts[{i}]"), future))
        return await asyncio.gather(*futures)

    async def work(self, annotate: Annotate) -> None:
        """Annotate batches until the queue is closed. An error of a whole batch goes to all its requests."""
        loop = asyncio.get_running_loop()
        while batch := await self._next_batch():
            try:
                records = await loop.run_in_executor(self.executor, annotate, [row for row, _ in batch])
            except Exception as error:
                _fail(batch, error)
            else:
                for (_, future), record in zip(batch, records, strict=True):
                    # Done if the server has cancelled the request.
                    if not future.done():
                        future.set_result(record)

    def close(self) -> None:
        """Let the texts that wait fail. The batch at work is finished, and `work` ends."""
        if not self.closed:
            self.closed = True
            waiting = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
            _fail([item for item in waiting if item], Unavailable("The service is shutting down."))
            self.queue.put_nowait(None)

    async def _next_batch(self) -> List[Item]:
        batch: List[Optional[Item]] = []
        if not self.closed:
            batch.append(await self.queue.get())
            with suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    while len(batch) < self.most_texts and not self.closed:
                        batch.append(await self.queue.get())
        return [item for item in batch if item]


def _fail(items: Sequence[Item], error: Exception) -> None:
    for _, future in items:
        if not future.done():
            future.set_exception(error)


@contextmanager
def on_signal(call: Callable[[], Any]) -> Iterator[None]:
    """Call a function at SIGINT and SIGTERM, before the server's own handlers.

    A server ends the lifespan of its app after the last request. That is too late to refuse requests that wait.
    """
    own = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        own = {int(number): handler for number, handler in handlers.items() if callable(handler)}

    def handle(number: int, frame: Any) -> None:
        call()
        own[number](number, frame)

    for number in own:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
