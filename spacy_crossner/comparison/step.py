"""Run the commands of a project step as subprocesses."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Iterator, List, Optional, Tuple

from weasel.util import split_command

from ..data.faults import NOT_WRITABLE, Faults
from ..data.files import reason
from ..errors import CrossnerError, Errors
from .project import Step


def run_step(project: Path, step: Step, logs: Path) -> Tuple[float, float]:
    """Run the commands of a step in the project folder and write their output to a log.

    project (Path): the project folder.
    step (Step): the step.
    logs (Path): the folder for the log, `<step>.log`.
    RETURNS (Tuple[float, float]): seconds, and the highest peak memory of the processes in megabytes.
    RAISES (CrossnerError): a command fails, or an output is missing.
    """
    started, peak_megabytes = time.perf_counter(), 0.0
    log = logs / f"{step.name}.log"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as handle:
            for line in step.script:
                peak_megabytes = max(peak_megabytes, _run_line(project, step, line, handle))
    except OSError as error:
        raise Faults(log).error(NOT_WRITABLE, None, reason(error)) from error
    missing = [path for path in step.outputs if not (project / path).exists()]
    if missing:
        problem = f"it did not write {missing[0]}"
        raise CrossnerError(Errors.C056.format(step=step.name, run=" ".join(step.script), problem=problem))
    return time.perf_counter() - started, peak_megabytes


def _run_line(project: Path, step: Step, line: str, handle: BinaryIO) -> float:
    """Run one command of a step and return the peak memory of its process in megabytes."""
    words = split_command(line)
    if words[0] in ("python", "python3"):
        words[0] = sys.executable
    handle.write(f"{line}\n".encode())
    handle.flush()
    try:
        code, megabytes = _run(words, project, handle)
    except OSError as error:
        problem = f"{words[0]}: {error.strerror or error}"
        raise CrossnerError(Errors.C056.format(step=step.name, run=line, problem=problem)) from error
    if code:
        log = Path(handle.name)
        last_lines = log.read_text(encoding="utf8", errors="replace").splitlines()[-3:]
        problem = f"exit {code}; {log} ends with: {' '.join(last_lines)}"
        raise CrossnerError(Errors.C056.format(step=step.name, run=line, problem=problem))
    return megabytes


def _run(words: List[str], folder: Path, output: BinaryIO) -> Tuple[int, float]:
    """Run a process; return its exit code and its peak memory in megabytes, or 0 if the system does not report it."""
    with (
        subprocess.Popen(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as process,
        _ended_with_us(process),
    ):
        if not hasattr(os, "wait4"):
            return process.wait(), 0.0
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    # Linux reports kilobytes, macOS bytes.
    return process.returncode, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


@contextmanager
def _ended_with_us(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Terminate a child process when this process gets SIGTERM or an exception."""

    def leave(number: int, frame: Optional[FrameType]) -> None:
        sys.exit(128 + number)

    # Only the main thread may set signal handlers.
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, leave) if is_main else None
    try:
        yield
    except BaseException:
        process.terminate()
        raise
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
