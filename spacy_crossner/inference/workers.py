"""Annotate blocks in worker processes. Each has a pipeline of its own."""

import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, ClassVar, Dict, Generator, Iterable, Iterator, Optional, Sequence, Tuple

from ..errors import CrossnerError, Errors
from .blocks import BlockAnnotator, Packed
from .forms import Form
from .reading import Block
from .rows import Row

# Blocks for each worker that are read and not finished, so that no worker waits for the reader.
BLOCKS_AHEAD = 2


class Worker:
    """The annotator of a worker process. It is loaded for the first block, so that its errors reach the caller."""

    arguments: ClassVar[Tuple[Any, ...]] = ()
    annotator: ClassVar[Optional[BlockAnnotator]] = None

    @classmethod
    def begin(cls, model: str, form: Form, gpu_id: int, threads: int) -> None:
        """Prepare the process. It ends with its parent, even if that is killed, and leaves Ctrl-C to it."""
        import torch

        torch.set_num_threads(threads)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        cls.arguments = (model, form, gpu_id)

    @classmethod
    def annotate(cls, rows: Sequence[Row]) -> Packed:
        """Annotate a block; see `BlockAnnotator`."""
        try:
            cls.annotator = cls.annotator or BlockAnnotator(*cls.arguments)
            return cls.annotator(rows)
        except CrossnerError as error:
            # Not all of its subclasses can be unpickled.
            raise CrossnerError(str(error)) from None


def annotate_blocks(
    blocks: Iterable[Block], processes: int, model: str, form: Form, gpu_id: int
) -> Generator[Tuple[Block, Packed], None, None]:
    """Annotate blocks in worker processes, and yield each block when it is done. The processes share torch's threads.

    blocks (Iterable[Block]): the blocks; only a few are read ahead.
    processes (int): number of worker processes.
    model, form, gpu_id: see `BlockAnnotator`.
    RAISES (CrossnerError): the pipeline cannot be loaded or fails, or a worker was killed.
    """
    import torch

    threads = max(1, torch.get_num_threads() // processes)
    # Spawned, not forked: torch's threads and locks do not survive a fork, and Windows has none.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), Worker.begin, (model, form, gpu_id, threads))
    waiting: Dict[Future[Packed], Block] = {}
    try:
        for block in blocks:
            waiting[pool.submit(Worker.annotate, block.rows)] = block
            if len(waiting) >= processes * BLOCKS_AHEAD:
                yield from _finished(waiting)
        while waiting:
            yield from _finished(waiting)
    except BrokenProcessPool as error:
        raise CrossnerError(Errors.C638) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _finished(waiting: Dict[Future[Packed], Block]) -> Iterator[Tuple[Block, Packed]]:
    """Wait for a block to finish. Finished blocks come before the error of another one."""
    done = wait(waiting, return_when=FIRST_COMPLETED).done
    for future in sorted(done, key=lambda future: future.exception() is not None):
        yield waiting.pop(future), future.result()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
