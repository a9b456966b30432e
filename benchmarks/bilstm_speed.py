"""Compare the speed of trained BiLSTM pipelines with spaCy's `ner` on its default CNN, in one run on real text.

    python benchmarks/bilstm_speed.py DATA.spacy MODEL ... [--rounds 5] [--threads 1] [--output OUT.json]

All pipelines get the same texts, with the batch size of the first pipeline. They take turns in each round, so that
other load on the machine affects all of them. Ratios are medians over rounds. The weights of spaCy's `ner` are random.
"""

import json
import statistics
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import spacy
import torch
import typer
from overhead import count_words
from pipelines import pipe_all
from spacy.language import Language
from spacy.training import Example
from turns import speed_ratio, take_turns
from wasabi import table

from spacy_crossner.data.docbin import read_docbin

SPACY = "spaCy's ner"


def spacy_ner(labels: List[str], examples: List[Example]) -> Language:
    """Return a pipeline with spaCy's `ner` and default settings."""
    nlp = spacy.blank("en")
    ner: Any = nlp.add_pipe("ner")
    for label in labels:
        ner.add_label(label)
    nlp.initialize(lambda: examples)
    return nlp


def main(
    data: Annotated[Path, typer.Argument(help="Annotated DocBin")],
    models: Annotated[List[Path], typer.Argument(help="Folders of trained pipelines with a component `ner`")],
    rounds: Annotated[int, typer.Option(help="Number of rounds, after one warm-up round")] = 5,
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print words per second and their ratios."""
    torch.set_num_threads(threads)
    sides = {str(model): spacy.load(model) for model in models}
    first = sides[str(models[0])]
    gold = read_docbin(data, first.vocab)
    texts = [" ".join(token.text for token in doc) for doc in gold]
    words = count_words(first, texts)
    ner: Any = first.get_pipe("ner")
    sides[SPACY] = spacy_ner(list(ner.labels), [Example(doc, doc) for doc in gold[:10]])
    for nlp in sides.values():
        nlp.batch_size = first.batch_size
    seconds = take_turns({name: pipe_all(nlp, texts) for name, nlp in sides.items()}, rounds)
    result: Dict[str, Any] = {
        "words": words,
        "sentences": len(texts),
        "threads": threads,
        "rounds": rounds,
        "batch_size": first.batch_size,
        "words_per_second": {name: words / statistics.median(times) for name, times in seconds.items()},
        "over_spacy_ner": {name: speed_ratio(seconds, name, SPACY) for name in seconds},
    }
    rows = [
        [name, f"{result['words_per_second'][name]:,.0f}", f"{result['over_spacy_ner'][name]:.2f}"] for name in sides
    ]
    print(table(rows, header=("side", "words/s", "over spaCy's ner"), divider=True, aligns=("l", "r", "r")))
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
