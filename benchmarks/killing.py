"""Shared code of the two benchmarks of killed runs: kill a command, repeat it, and compare its files."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import typer
from wasabi import table

KILLS = 3

Results = Dict[str, Any]


def run(command: List[str], has_begun: Callable[[str], bool], kill_after: Optional[float] = None) -> float:
    """Run a command, or kill it some seconds after training has started; return the seconds of training.

    command (List[str]): the command.
    has_begun (Callable): returns whether an output line shows that training has started.
    RAISES (subprocess.CalledProcessError): the command fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if has_begun(line):
                break
        start = time.perf_counter()
        try:
            output, _ = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        else:
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command, "".join(lines) + output)
    return time.perf_counter() - start


def study(
    command: List[str],
    out: Path,
    *,
    has_begun: Callable[[str], bool],
    read_results: Callable[[], Results],
    seed: int,
    settings: Dict[str, Any],
    output: Optional[Path],
) -> None:
    """Run a command without interruption, then with three kills and repeats; print whether the files are the same.

    There is one kill at a random time in each third of the training time of the uninterrupted run.

    command (List[str]): the command.
    out (Path): the output folder, with checkpoints in `checkpoint`.
    has_begun (Callable): see `run`.
    read_results (Callable): returns the content of all files by name, without times.
    seed (int): random seed of the kill times.
    settings (Dict[str, Any]): settings to store with the results.
    output (Optional[Path]): the JSON file for the results.
    RAISES (typer.Exit): with code 1 if a file differs.
    """
    chooser = random.Random(seed)
    unbroken = run(command, has_begun)
    expected = read_results()
    shutil.rmtree(out)
    kills: List[Dict[str, Any]] = []
    for _ in range(KILLS):
        seconds = run(command, has_begun, kill_after=chooser.uniform(0, unbroken / KILLS))
        kills.append({"seconds": seconds, "left": sorted(path.name for path in (out / "checkpoint").glob("*"))})
    last = run(command, has_begun)
    found = read_results()
    same = [name for name in expected if found.get(name) == expected[name]]
    other = sorted((expected.keys() | found.keys()) - set(same))
    rows = [(i, f"{kill['seconds']:.2f}", ", ".join(kill["left"]) or "nothing") for i, kill in enumerate(kills, 1)]
    print(table(rows, header=("kill", "seconds of training", "in checkpoint/"), divider=True))
    print(f"uninterrupted run: {unbroken:.2f} s of training; last run after the kills: {last:.2f} s")
    print(f"{len(same)} of {len(expected)} files are the same" + (f"; not {', '.join(other)}" if other else ""))
    if output:
        result = {**settings, "seed": seed, "unbroken_seconds": unbroken, "kills": kills, "last_seconds": last}
        result.update(same=sorted(same), different=other)
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    if other:
        raise typer.Exit(1)
