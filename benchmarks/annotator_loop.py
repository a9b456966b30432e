"""Simulate an annotator: F1 with sentences drawn at random, and with those that `label --uncertain` chooses.

    python benchmarks/annotator_loop.py SOURCE_MODEL --pool POOL.spacy --dev D.spacy --test T.spacy --work FOLDER \
        [--seeds 1,2,3] [--start 25] [--step 25] [--most 100] [--epochs 24] [--min-steps 120] [--output OUT.json]

The pool is labelled, and its labels are hidden. A seed draws the first sentences, the same ones for both ways. A round
fine-tunes the pipeline of the source stage on the labelled sentences (`configs/finetune.cfg`), scores it on the test
set, and adds sentences with their gold labels: the next ones of a random order, or those of which the pipeline is
unsure. Sentences differ in length, so words and entities that were labelled are counted, too.

Pipelines are in FOLDER. A killed run goes on: finished trainings are kept.
"""

import json
import random
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Annotated, Any, Dict, List, Optional, Sequence

import spacy
import typer
from spacy.tokens import Doc
from spacy.vocab import Vocab
from wasabi import table

from spacy_crossner.data.docbin import read_docbin, write_docbin
from spacy_crossner.evaluation.evaluate import evaluate
from spacy_crossner.silver.uncertain import UncertainSettings, choose_uncertain
from spacy_crossner.storage.loading import load_pipeline
from spacy_crossner.training.train import train

WAYS = ("random", "uncertain")
CONFIG = Path(__file__).parents[1] / "configs" / "finetune.cfg"


def choose(model: Path, pool: Sequence[Doc], labelled: Sequence[int], number: int, folder: Path) -> List[int]:
    """Return the places of the sentences of the pool that a pipeline should learn from next.

    model (Path): the pipeline.
    pool (Sequence[Doc]): all sentences.
    labelled (Sequence[int]): places of the sentences that are labelled.
    number (int): how many to choose. Near-duplicates are left out, so there may be fewer.
    folder (Path): a folder for the sentences that are left.
    """
    known = {pool[place].text for place in labelled}
    left = {doc.text.removesuffix(" "): place for place, doc in enumerate(pool) if doc.text not in known}
    path = folder / "left.spacy"
    write_docbin([pool[place] for place in left.values()], path)
    # All lengths: the random way takes them, too.
    settings = UncertainSettings(number, min_words=1, max_words=10_000)
    report = choose_uncertain(load_pipeline(model), [path], settings)
    return [left[suggestion.text.removesuffix(" ")] for suggestion in report.suggestions]


def score(model: Path, test: Path) -> float:
    """Return the strict F1 of a pipeline."""
    nlp = spacy.load(model)
    return float(evaluate(nlp, read_docbin(test, nlp.vocab))["strict"]["f"])


def main(
    model: Annotated[Path, typer.Argument(help="Pipeline of the source stage")],
    pool: Annotated[Path, typer.Option(help="DocBin of labelled sentences to choose from")],
    dev: Annotated[Path, typer.Option(help="Dev set, which chooses the checkpoint")],
    test: Annotated[Path, typer.Option(help="Test set")],
    work: Annotated[Path, typer.Option(help="Folder for the pipelines")],
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas")] = "1,2,3",
    start: Annotated[int, typer.Option(min=1, help="Sentences of the first round")] = 25,
    step: Annotated[int, typer.Option(min=1, help="Sentences that a round adds")] = 25,
    most: Annotated[int, typer.Option(min=1, help="Sentences of the last round")] = 100,
    epochs: Annotated[float, typer.Option(help="Passes over the sentences")] = 24,
    min_steps: Annotated[int, typer.Option(help="Minimum number of training steps")] = 120,
    names: Annotated[Optional[Path], typer.Option(help="List of names, whose names are features")] = None,
    config: Annotated[Path, typer.Option(help="Config of the target stage")] = CONFIG,
    gpu_id: Annotated[int, typer.Option(help="GPU for the training, -1 for the CPU")] = -1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print and write test F1 by the number of labelled sentences, for both ways."""
    gold = read_docbin(pool, Vocab())
    labels = work / "labels.json"
    work.mkdir(parents=True, exist_ok=True)
    labels.write_text(json.dumps(sorted({ent.label_ for doc in gold for ent in doc.ents})), encoding="utf8")
    paths = {"dev": dev, "labels": labels, "pretrained": model, **({"names": names} if names else {})}
    sizes = list(range(start, most + 1, step))
    results: List[Dict[str, Any]] = []
    for seed, way in product(map(int, seeds.split(",")), WAYS):
        order = random.Random(seed).sample(range(len(gold)), len(gold))
        labelled = order[:start]
        best = model
        for size in sizes:
            folder = work / str(seed) / way
            if way == "random":
                labelled = order[:size]
            elif size > start:
                labelled += choose(best, gold, labelled, size - len(labelled), folder)
            if size == start:
                # The same for both ways.
                folder = work / str(seed) / "first"
            docs = [gold[place] for place in labelled]
            write_docbin(docs, folder / f"{size}.spacy")
            settings: Dict[str, Any] = {f"paths.{name}": str(path) for name, path in paths.items()}
            settings.update({"paths.train": str(folder / f"{size}.spacy"), "system.seed": seed})
            train(config, folder / str(size), epochs=epochs, min_steps=min_steps, use_gpu=gpu_id, overrides=settings)
            best = folder / str(size) / "model-best"
            row = {"way": way, "seed": seed, "sentences": len(docs), "f": score(best, test)}
            row.update(words=sum(map(len, docs)), entities=sum(len(doc.ents) for doc in docs))
            results.append(row)
    rows = []
    for size, way in product(sizes, WAYS):
        found = [row for row in results if (row["way"], row["sentences"]) == (way, size)]
        if found:
            f, words, entities = (mean(row[name] for row in found) for name in ("f", "words", "entities"))
            rows.append([size, way, f"{100 * f:.1f}", f"{words:.0f}", f"{entities:.0f}"])
    print(table(rows, header=("sentences", "way", "F1", "words", "entities"), divider=True))
    if output:
        content = {"start": start, "step": step, "epochs": epochs, "min_steps": min_steps, "runs": results}
        output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
