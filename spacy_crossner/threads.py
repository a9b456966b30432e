"""What keeps a pipeline right when several threads call it, and when a process that has called it forks."""

import os
import sys
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, Tuple, Type

from thinc.api import Model, get_current_ops, set_current_ops


class Lock:
    """A reentrant lock that its owner may be copied and pickled with, and that is free in a forked child.

    A copy is another lock. In a child the thread that held the lock does not exist, and would never free it.
    """

    _all: ClassVar["weakref.WeakSet[Lock]"] = weakref.WeakSet()

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._all.add(self)

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        """Free the lock."""
        self._lock.release()

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Lock":
        """Return another lock."""
        return Lock()

    def __reduce__(self) -> Tuple[Type["Lock"], Tuple[()]]:
        """Return what makes another lock."""
        return Lock, ()

    @classmethod
    def free_all(cls) -> None:
        """Make all locks of this process new."""
        for lock in list(cls._all):
            lock._lock = threading.RLock()


@contextmanager
def use_ops_of(model: Model[Any, Any]) -> Iterator[None]:
    """Make the ops of a model the current ones of this thread, CuPy's for a model on a GPU.

    thinc keeps its current ops by thread, and a new thread has NumPy's. Its allocator for CuPy asks the current ops
    where to allocate: in a new thread it would hand CuPy memory of the CPU for memory of the GPU.
    """
    before = get_current_ops()
    if type(before) is type(model.ops):
        yield
        return
    set_current_ops(model.ops)
    try:
        yield
    finally:
        set_current_ops(before)


def has_openmp_pool() -> bool:
    """Return whether GNU OpenMP has started threads in this process, or whether the system does not tell.

    An idle thread of its pool waits in a system call of the library's own, so that its program counter lies there.
    Idle threads of other libraries (BLAS, tokenizers) wait in the C library.
    """
    python = {thread.native_id for thread in threading.enumerate()}
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf8").splitlines()
        regions = [line.split()[0].split("-") for line in maps if "libgomp" in line]
        for task in Path("/proc/self/task").iterdir():
            if int(task.name) not in python:
                # "running", or number, arguments, stack pointer and program counter of its system call.
                *_, counter = (task / "syscall").read_text(encoding="utf8").split()
                if counter == "running" or any(int(a, 16) <= int(counter, 16) < int(b, 16) for a, b in regions):
                    return True
    except (OSError, ValueError):
        return True
    return False


class TorchThreads:
    """Takes torch's threads away in a forked child where they would hang it, and only there.

    torch's pool of threads (GNU OpenMP) does not survive a fork: a child waits forever for a pool that its parent had
    started. A child of a parent without a pool starts one of its own and keeps all its threads.
    """

    def __init__(self) -> None:
        self.hangs = False

    def before_fork(self) -> None:
        """Look, in the parent, whether there is a pool."""
        self.hangs = "torch" in sys.modules and has_openmp_pool()

    def after_fork(self) -> None:
        """Take one torch thread in the child, if its parent had a pool."""
        if self.hangs:
            sys.modules["torch"].set_num_threads(1)


def register_fork_handlers() -> None:
    """Let forked children (`nlp.pipe(n_process=2)`, workers of a web server) predict."""
    if not hasattr(os, "register_at_fork"):
        return
    threads = TorchThreads()
    os.register_at_fork(before=threads.before_fork, after_in_child=threads.after_fork)
    os.register_at_fork(after_in_child=Lock.free_all)
