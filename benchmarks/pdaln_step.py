"""Compare the time of a training step with each part of PDALN to the plain CRF, in one run.

    python benchmarks/pdaln_step.py MODEL SOURCE.spacy TARGET.spacy ADAPTIVE.spacy [--steps 10] [--output OUT.json]

MODEL is a trained pipeline (its component is `ner`). The DocBins are annotated; TARGET is also the unlabelled text. All
variants use `configs/pdaln.cfg` and batches of 16 (32 with twins, which only contrastive learning needs). They take
turns, so that other load on the machine affects all of them. Ratios are medians over turns. In its first pass, the
progressive teacher predicts each doc; later steps use its cached predictions.
"""

import json
import statistics
import tempfile
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional

import spacy
import typer
from pipelines import take_step
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from turns import timed
from wasabi import table

from spacy_crossner.annotations.domains import get_domain
from spacy_crossner.data.docbin import read_docbin

CONFIG = Path(__file__).parents[1] / "configs" / "pdaln.cfg"
NONE = dict.fromkeys(("sentence_mmd", "word_mmd", "contrastive", "distillation", "vat"), 0.0)
NO_TWINS: Dict[str, Any] = {"training.batcher.enabled": False}
# For each variant, the weights that are not 0 and other settings.
SIDES: Dict[str, Dict[str, Any]] = {
    "CRF": NO_TWINS,
    "+ sentence MMD": {**NO_TWINS, "weights.sentence_mmd": 0.5},
    "+ word MMD": {**NO_TWINS, "weights.word_mmd": 0.5},
    "+ contrastive, with twins": {"weights.contrastive": 0.1},
    "+ virtual adversarial": {**NO_TWINS, "weights.vat": 0.1},
    "+ distillation, first pass": {**NO_TWINS, "weights.distillation": 0.5, "stage.iteration": 1},
    "+ distillation, later": {**NO_TWINS, "weights.distillation": 0.5, "stage.iteration": 1000000},
    "+ distillation, mean teacher": {
        **NO_TWINS,
        "weights.distillation": 0.5,
        "stage.iteration": 0,
        "stage.decay": 0.99,
    },
    "all of Eq. 11": {
        "weights.sentence_mmd": 0.5,
        "weights.word_mmd": 0.5,
        "weights.contrastive": 0.1,
        "weights.distillation": 0.5,
        "stage.iteration": 1000000,
    },
}


def make_step(paths: Dict[str, str], settings: Dict[str, Any], batches: int) -> Callable[[], None]:
    """Return a function that takes the next step of a variant, in a loop over this number of batches."""
    weights = {f"weights.{name}": value for name, value in NONE.items()}
    config = load_config(CONFIG, {**paths, **weights, **settings})
    nlp = init_nlp(config)
    settings = config.interpolate()
    parts = {"batcher": settings["training"]["batcher"], "optimizer": settings["training"]["optimizer"]}
    resolved = registry.resolve(parts)
    corpus = registry.resolve({"corpus": settings["corpora"]["train"]})["corpus"]
    drawn: List[List[Example]] = list(islice(resolved["batcher"](corpus(nlp)), batches))
    stream = cycle(drawn)

    def step() -> None:
        take_step(nlp, next(stream), resolved["optimizer"], dropout=0.1)

    return step


def main(
    model: Annotated[Path, typer.Argument(help="Trained pipeline")],
    source: Annotated[Path, typer.Argument(help="Annotated DocBin of the source")],
    target: Annotated[Path, typer.Argument(help="Annotated DocBin of the target")],
    adaptive: Annotated[Path, typer.Argument(help="DocBin of `spacy crossner augment`")],
    steps: Annotated[int, typer.Option(help="Timed steps of each variant, after as many warm-up steps")] = 10,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print seconds per step and ratios."""
    ner: Any = spacy.load(model).get_pipe("ner")
    docs = read_docbin(target, spacy.blank("en").vocab)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "labels.json"
        listed.write_text(json.dumps(list(ner.labels)), encoding="utf8")
        paths = {
            "paths.train": str(target),
            "paths.dev": str(target),
            "paths.unlabelled": str(target),
            "paths.labels": str(listed),
            "paths.pretrained": str(model),
            "stage.target": get_domain(docs[0]) or "target",
        }
        runs = {}
        for name, settings in SIDES.items():
            other = source if "distillation" not in name and name != "all of Eq. 11" else adaptive
            runs[name] = make_step({**paths, "paths.source": str(other)}, settings, steps)
    seconds: Dict[str, List[float]] = {name: [] for name in runs}
    for turn in range(2 * steps):
        for name, run in runs.items():
            took = timed(run)
            if turn >= steps:
                seconds[name].append(took)
    result = {
        name: {
            "seconds": statistics.median(times),
            "over_crf": statistics.median(a / b for a, b in zip(times, seconds["CRF"], strict=True)),
        }
        for name, times in seconds.items()
    }
    rows = [[name, f"{row['seconds']:.2f}", f"{row['over_crf']:.2f}"] for name, row in result.items()]
    print(table(rows, header=("step", "seconds", "over the CRF"), divider=True, aligns=("l", "r", "r")))
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
