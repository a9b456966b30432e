"""Measure memory and speed on a stream: a million words through `nlp.pipe`, then docs of 10 to 10,000 words.

    python benchmarks/stream.py MODEL DATA.spacy [--words 1000000] [--threads 1] [--output OUT.json]

The sentences of DATA are repeated and joined to docs of fixed length. Memory is the resident set size after each batch;
its growth is measured from the first batch. Each batch runs in its own memory zone, as in a long-running application.
"""

import json
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Iterator, List, Optional

import spacy
import torch
import typer
from spacy.language import Language
from wasabi import table

from spacy_crossner.data.docbin import read_docbin

STREAM_WORDS_A_DOC = 25
LENGTHS = (10, 100, 1_000, 10_000)


def resident_megabytes() -> float:
    """Return the current memory of the process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def texts_of(words: List[str], n_words: int, length: int) -> Iterator[str]:
    """Yield texts of `length` words until there are `n_words` words in total."""
    stream = cycle(words)
    for _ in range(n_words // length):
        yield " ".join(islice(stream, length))


def stream(nlp: Language, texts: Iterator[str], batch_size: int) -> List[float]:
    """Annotate a stream of texts; return the memory after each batch, in megabytes."""
    memory = []
    for batch in spacy.util.minibatch(texts, batch_size):
        with nlp.memory_zone():
            for _ in nlp.pipe(batch, batch_size=batch_size):
                pass
        memory.append(resident_megabytes())
    return memory


def main(
    model: Annotated[Path, typer.Argument(help="Folder of a trained pipeline")],
    data: Annotated[Path, typer.Argument(help="DocBin with sentences")],
    words: Annotated[int, typer.Option(help="Number of words in the stream")] = 1_000_000,
    threads: Annotated[int, typer.Option(help="Torch threads")] = 1,
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the growth of memory, and words per second by doc length."""
    torch.set_num_threads(threads)
    nlp = spacy.load(model)
    pool = [token.text for doc in read_docbin(data, nlp.vocab) for token in doc]
    start = time.perf_counter()
    memory = stream(nlp, texts_of(pool, words, STREAM_WORDS_A_DOC), nlp.batch_size)
    seconds = time.perf_counter() - start
    speeds = {}
    for length in LENGTHS:
        n_words = max(10_000, 2 * length)
        start = time.perf_counter()
        for _ in nlp.pipe(texts_of(pool, n_words, length)):
            pass
        speeds[length] = n_words / (time.perf_counter() - start)
    result = {
        "words": words,
        "threads": threads,
        "words_per_second": words / seconds,
        "growth_megabytes": max(memory) - memory[0],
        "words_per_second_by_length": speeds,
    }
    rows = [[f"{length:,}", f"{speed:,.0f}"] for length, speed in speeds.items()]
    print(table(rows, header=("words a doc", "words/s"), divider=True, aligns=("r", "r")))
    print(
        f"{words:,} words in docs of {STREAM_WORDS_A_DOC}: {result['words_per_second']:,.0f} words/s, memory grew by "
        f"{result['growth_megabytes']:.0f} MB from {memory[0]:.0f} MB."
    )
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
