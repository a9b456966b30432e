"""Support for calling a pipeline from several threads, and in the forked children of a process."""

import os
import sys
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Dict, Iterator, Tuple, Type

from thinc.api import Model, get_current_ops, set_current_ops


class Lock:
    """A reentrant lock that can be copied and pickled with its owner, and that is free in a forked child.

    A copy is a new lock. In a child process, the thread that held the lock does not exist and would never release it.
    """

    _all: ClassVar["weakref.WeakSet[Lock]"] = weakref.WeakSet()

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._all.add(self)

    def __enter__(self) -> None:
        """Wait for the lock."""
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        """Release the lock."""
        self._lock.release()

    def __deepcopy__(self, memo: Dict[int, Any]) -> "Lock":
        """Return a new lock."""
        return Lock()

    def __reduce__(self) -> Tuple[Type["Lock"], Tuple[()]]:
        """Return the class, so that unpickling makes a new lock."""
        return Lock, ()

    @classmethod
    def free_all(cls) -> None:
        """Replace all locks of this process by new ones, which are free."""
        for lock in list(cls._all):
            lock._lock = threading.RLock()


@contextmanager
def use_ops_of(model: Model[Any, Any]) -> Iterator[None]:
    """Set thinc's current ops in this thread to the ops of a model: CupyOps for a model on a GPU.

    thinc stores the current ops by thread, and a new thread has NumpyOps. thinc's allocator for CuPy allocates memory
    by the current ops: in a new thread, CuPy would get CPU memory instead of GPU memory.
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
    """Return whether GNU OpenMP has started threads in this process; True if the system gives no information.

    An idle thread of the pool waits in a system call that the library itself makes, so its program counter is inside
    the library. Idle threads of other libraries (BLAS, tokenizers) wait in the C library.
    """
    python = {thread.native_id for thread in threading.enumerate()}
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf8").splitlines()
        regions = [line.split()[0].split("-") for line in maps if "libgomp" in line]
        for task in Path("/proc/self/task").iterdir():
            if int(task.name) not in python:
                # Either "running", or number, arguments, stack pointer and program counter of the system call.
                *_, counter = (task / "syscall").read_text(encoding="utf8").split()
                if counter == "running" or any(int(a, 16) <= int(counter, 16) < int(b, 16) for a, b in regions):
                    return True
    except (OSError, ValueError):
        return True
    return False


class TorchThreads:
    """Limits torch to one thread in a forked child, but only if several threads would hang.

    torch's thread pool (GNU OpenMP) does not survive a fork: a child waits forever for a pool that its parent has
    started. If the parent has no pool, the child starts its own pool and uses all threads.
    """

    def __init__(self) -> None:
        self.hangs = False

    def before_fork(self) -> None:
        """Check in the parent whether a pool exists."""
        self.hangs = "torch" in sys.modules and has_openmp_pool()

    def after_fork(self) -> None:
        """Use one torch thread in the child, if its parent has a pool."""
        if self.hangs:
            sys.modules["torch"].set_num_threads(1)


def register_fork_handlers() -> None:
    """Register handlers so that forked children can predict (`nlp.pipe(n_process=2)`, workers of a web server)."""
    if not hasattr(os, "register_at_fork"):
        return
    threads = TorchThreads()
    os.register_at_fork(before=threads.before_fork, after_in_child=threads.after_fork)
    os.register_at_fork(after_in_child=Lock.free_all)
