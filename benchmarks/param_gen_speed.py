"""Measure the speed of generated weights: training compared with shared weights, tagging with a BiLSTM-CRF.

    python benchmarks/param_gen_speed.py SOURCE.spacy TARGET.spacy VECTORS [--steps 10] [--output OUT.json]

SOURCE and TARGET are annotated DocBins with domain names. They are also the text of the language models. VECTORS is a
pipeline with word vectors. A training step uses `configs/param_gen.cfg` and batches of 32 docs for each of the four
tasks. The variant with one set of weights has `use_domains` and `use_tasks` off. The BiLSTM-CRF is `crf_ner` on
`spacy_crossner.BiLSTM.v1` with the same width. Weights are random. The variants take turns; ratios are medians over
turns.
"""

import json
import statistics
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, Callable, Dict, List, Optional

import spacy
import torch
import typer
from pipelines import pipe_all, take_step
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.util import load_config, registry
from turns import speed_ratio, timed
from wasabi import table

from spacy_crossner.annotations.domains import get_domain, without_annotation
from spacy_crossner.data.docbin import read_docbin

CONFIGS = Path(__file__).parents[1] / "configs"
ROUNDS = 5


def make_step(overrides: Dict[str, Any], batches: int) -> Callable[[], int]:
    """Return a function that takes a training step and returns its tokens."""
    config = load_config(CONFIGS / "param_gen.cfg", overrides)
    nlp = init_nlp(config)
    settings = config.interpolate()
    resolved = registry.resolve({key: settings["training"][key] for key in ("batcher", "optimizer")})
    corpus = registry.resolve({"corpus": settings["corpora"]["train"]})["corpus"]
    stream = cycle(list(islice(resolved["batcher"](corpus(nlp)), batches)))

    def step() -> int:
        batch: List[Example] = next(stream)
        take_step(nlp, batch, resolved["optimizer"], dropout=0.5)
        return sum(len(example) for example in batch)

    return step


def make_bilstm_crf(target: Path, vectors: Path) -> Language:
    """Return a BiLSTM-CRF of the same width with random weights."""
    overrides: Dict[str, Any] = {"paths.train": str(target), "paths.dev": str(target), "paths.vectors": str(vectors)}
    tok2vec = {"hidden": 100, "depth": 1, "character_filters": 50}
    overrides.update({f"components.ner.model.tok2vec.{key}": value for key, value in tok2vec.items()})
    return init_nlp(load_config(CONFIGS / "bilstm_crf.cfg", overrides))


def main(
    source: Annotated[Path, typer.Argument(help="Annotated DocBin of the source")],
    target: Annotated[Path, typer.Argument(help="Annotated DocBin of the target")],
    vectors: Annotated[Path, typer.Argument(help="Pipeline with word vectors")],
    steps: Annotated[int, typer.Option(help="Timed training steps")] = 10,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print tokens per second and ratios."""
    domains = {}
    for name, path in (("source", source), ("target", target)):
        domains[name] = get_domain(read_docbin(path, spacy.blank("en").vocab)[0]) or name
    overrides = {
        "paths.source": str(source),
        "paths.train": str(target),
        "paths.dev": str(target),
        "paths.source_text": str(source),
        "paths.target_text": str(target),
        "paths.vectors": str(vectors),
        "stage.source": domains["source"],
        "stage.target": domains["target"],
        "components.ner.model.share_output": False,
        # This benchmark uses the dev set as text, so do not check for leaks.
        "initialize.before_init.held_out.dev": None,
    }
    alone = {f"components.ner.model.use_{what}": False for what in ("domains", "tasks")}
    sides = {
        "generated weights": make_step(overrides, steps),
        "one set of weights": make_step({**overrides, **alone}, steps),
    }
    training: Dict[str, List[float]] = {name: [] for name in sides}
    tokens = 0
    for turn in range(steps + 2):
        for name, step in sides.items():
            start = time.perf_counter()
            tokens = step()
            if turn >= 2:
                training[name].append((time.perf_counter() - start) / tokens)
    pipelines = {
        "generated weights": init_nlp(load_config(CONFIGS / "param_gen.cfg", overrides)),
        "BiLSTM-CRF": make_bilstm_crf(target, vectors),
    }
    gold = read_docbin(target, spacy.blank("en").vocab)
    words = sum(len(doc) for doc in gold)
    tagging: Dict[str, List[float]] = {name: [] for name in pipelines}
    for turn in range(ROUNDS + 1):
        for name, nlp in pipelines.items():
            docs = [without_annotation(doc, nlp.vocab) for doc in gold]
            took = timed(pipe_all(nlp, docs))
            if turn:
                tagging[name].append(took / words)
    result: Dict[str, Any] = {
        "threads": torch.get_num_threads(),
        "training": {name: 1 / statistics.median(times) for name, times in training.items()},
        "training_ratio": speed_ratio(training, "generated weights", "one set of weights"),
        "tagging": {name: 1 / statistics.median(times) for name, times in tagging.items()},
        "tagging_ratio": speed_ratio(tagging, "generated weights", "BiLSTM-CRF"),
    }
    rows = [[what, name, f"{speed:,.0f}"] for what in ("training", "tagging") for name, speed in result[what].items()]
    print(table(rows, header=("what", "side", "tokens/s"), divider=True, aligns=("l", "l", "r")))
    print(
        f"Training at {result['training_ratio']:.2f} times the speed of one set of weights, tagging at "
        f"{result['tagging_ratio']:.2f} times that of the BiLSTM-CRF."
    )
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
