"""Compare the F1 of trained pipelines in single precision, in bf16, and exported as int8.

    python benchmarks/precision.py TEST.spacy MODEL... [--sides fp32,bf16,onnx-int8] [--output OUT.json]

The weights of a pipeline are the same on all sides. F1 is strict. On a CPU without instructions for bf16, its products
are emulated, see `emulated_bf16.py`. Give one folder for each seed.
"""

import json
import statistics
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Dict, List, Optional

import spacy
import torch
import typer
from emulated_bf16 import EmulatedBf16
from pipelines import load_with_precision
from spacy.language import Language
from spacy.tokens import Doc
from wasabi import table

from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.encoders.precision import has_fast_bf16
from spacy_crossner.evaluation.evaluate import score
from spacy_crossner.evaluation.export import export_pipeline
from spacy_crossner.evaluation.predicting import predict


def load_side(model: str, side: str, folder: Path) -> Language:
    """Load a pipeline in a precision ("fp32", "bf16", "fp16"), or export it ("onnx-int8", "openvino")."""
    backend, _, int8 = side.partition("-")
    if backend not in ("onnx", "openvino"):
        return load_with_precision(Path(model), side)
    export_pipeline(model, folder / "exported", backend, int8=int8 == "int8")
    return spacy.load(folder / "exported")


def strict_f(nlp: Language, gold: List[Doc]) -> float:
    """Return strict F1 in percent."""
    with nullcontext() if has_fast_bf16(torch.device("cpu")) else EmulatedBf16():
        return float(100 * score(predict(nlp, gold))["strict"]["f"])


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    models: Annotated[List[str], typer.Argument(help="Folders of trained pipelines, one for each seed")],
    sides: Annotated[str, typer.Option(help="What to compare with the first, separated by commas")] = "fp32,bf16",
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print F1 of each pipeline on each side, the means, and the mean difference from the first side."""
    names = sides.split(",")
    found: Dict[str, List[float]] = {name: [] for name in names}
    for model in models:
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                nlp = load_side(model, name, Path(folder))
            found[name].append(strict_f(nlp, list(read_docbin(data, nlp.vocab))))
            print(f"{model} {name}: {found[name][-1]:.2f}")
    rows = []
    for name in names:
        differences = [f - first for f, first in zip(found[name], found[names[0]], strict=True)]
        spread = statistics.stdev(differences) if len(differences) > 1 else 0.0
        rows.append(
            [name, f"{statistics.mean(found[name]):.2f}", f"{statistics.mean(differences):+.2f}", f"{spread:.2f}"]
        )
    header = ("side", f"mean F1 of {len(models)}", f"minus {names[0]}", "std of it")
    print(table(rows, header=header, divider=True, aligns=("l", "r", "r", "r")))
    if output:
        output.write_text(json.dumps({"models": models, "f": found}, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
