"""Measure forgetting of the source domain: F1 after fine-tuning with and without rehearsal, in one run.

    python benchmarks/rehearsal.py SOURCE_MODEL --source-train S.spacy --source-test S.spacy --train T.spacy \
        --test T.spacy [--epochs 24] [--size 8] [--seed 1] [--output OUT.json]

The pipeline of a source stage, with its encoder inside the component `ner`, gets the target labels. It is then
fine-tuned on target sentences in a plain loop, without and with rehearsal. With rehearsal, every step also has a batch
of source sentences for which the pipeline keeps its earlier predictions (`nlp.rehearse`; their annotation is not used).
Scores are on the source test set (source types only) and on the target test set.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Dict, Iterator, List, Optional, Sequence

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import fix_random_seed
from wasabi import table

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.evaluation.evaluate import evaluate
from spacy_crossner.training.batchers import PaddedBatcher
from spacy_crossner.training.optimizers import HeadAdamW


def batches(nlp: Language, docs: Sequence[Doc], size: int, seed: int) -> Iterator[List[Example]]:
    """Yield batches without end, in a new random order for each pass."""
    batcher = PaddedBatcher(size, seed=seed)
    while True:
        yield from batcher(Example(without_annotation(doc, nlp.vocab), doc) for doc in docs)


def fine_tune(nlp: Language, target: Sequence[Doc], source: Sequence[Doc], epochs: int, size: int, seed: int) -> None:
    """Fine-tune a pipeline on the target, with rehearsal if there are source docs."""
    steps = epochs * math.ceil(len(target) / size)
    # Update and rehearsal take separate optimizer steps.
    optimizer = HeadAdamW(encoder_rate=3e-4, head_rate=1e-3, total_steps=steps * (2 if source else 1))
    # Make the copy of the pipeline whose predictions rehearsal keeps.
    nlp.resume_training(sgd=optimizer)
    rehearsed = batches(nlp, source, size, seed) if source else None
    stream = batches(nlp, target, size, seed)
    for _ in range(steps):
        nlp.update(next(stream), sgd=optimizer, drop=0.1)
        optimizer.step_schedules()
        if rehearsed:
            nlp.rehearse(next(rehearsed), sgd=optimizer)
            optimizer.step_schedules()


def f1_of_types(scores: Dict[str, Any], labels: Sequence[str]) -> float:
    """Return the micro F1 over some types from the scores by type."""
    rows = [row for label, row in scores["strict"]["per_type"].items() if label in labels]
    right = [row["r"] * row["support"] for row in rows]
    predicted = [count / row["p"] if row["p"] else 0.0 for count, row in zip(right, rows, strict=True)]
    return 2 * sum(right) / max(1.0, sum(predicted) + sum(row["support"] for row in rows))


def main(
    model: Annotated[Path, typer.Argument(help="Pipeline of the source stage")],
    source_train: Annotated[Path, typer.Option(help="Sentences to rehearse")],
    source_test: Annotated[Path, typer.Option(help="Source test set")],
    train: Annotated[Path, typer.Option(help="Target training set")],
    test: Annotated[Path, typer.Option(help="Target test set")],
    epochs: Annotated[int, typer.Option(help="Passes over the target")] = 24,
    size: Annotated[int, typer.Option(help="Sentences per batch")] = 8,
    limit: Annotated[int, typer.Option(help="Maximum number of sentences to rehearse")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed")] = 1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print source and target F1 before fine-tuning and after fine-tuning, without and with rehearsal."""
    result: Dict[str, Dict[str, float]] = {}
    for way in ("before", "without", "with"):
        fix_random_seed(seed)
        nlp = spacy.load(model)
        ner: Any = nlp.get_pipe("ner")
        labels = list(ner.labels)
        target = read_docbin(train, nlp.vocab)
        if way != "before":
            ner.add_labels(sorted({ent.label_ for doc in target for ent in doc.ents}))
            source = read_docbin(source_train, nlp.vocab)[:limit] if way == "with" else []
            fine_tune(nlp, target, source, epochs, size, seed)
        on_source = evaluate(nlp, read_docbin(source_test, nlp.vocab))
        on_target = evaluate(nlp, read_docbin(test, nlp.vocab))
        result[way] = {"source": f1_of_types(on_source, labels), "target": on_target["strict"]["f"]}
        result[way].update({f"source {label}": f1_of_types(on_source, [label]) for label in labels})
    names = {"before": "source stage", "without": "fine-tuned", "with": "fine-tuned with rehearsal"}
    rows = [[names[way], f"{100 * row['source']:.1f}", f"{100 * row['target']:.1f}"] for way, row in result.items()]
    header = ("pipeline", "F1 source types on source", "F1 target")
    print(table(rows, header=header, divider=True, aligns=("l", "r", "r")))
    if output:
        output.write_text(json.dumps({"seed": seed, "epochs": epochs, **result}, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
