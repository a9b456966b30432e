"""Check that several threads get the same predictions as one thread: print how many docs differ; exit with 1 if any do.

    python benchmarks/threads.py PIPELINE [PIPELINE ...] [--threads 8] [--docs 1000] [--text FILE]

Each thread annotates all docs: 8 threads and 1,000 docs are 8,000 requests. Some docs are so long that they are cut
into windows. Entities, all spans with a score of at least 0.01, and scores have to be exactly equal.
"""

import argparse
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import List, Tuple

import spacy
import torch
from spacy.language import Language

from spacy_crossner.core.component import SequenceNER

Answer = List[Tuple[int, int, str, float]]
# The span group with all scored spans.
KEY = "threads"
SAMPLE = Path(__file__).parents[1] / "assets" / "sample" / "ai_raw.txt"


def answer(nlp: Language, text: str) -> Answer:
    """Return the entities of a text and all scored spans."""
    doc = nlp(text)
    spans = [*doc.ents, *doc.spans[KEY]]
    return [(span.start_char, span.end_char, span.label_, span._.score) for span in spans]


def count_other(nlp: Language, texts: List[str], expected: List[Answer], seed: int) -> int:
    """Return how many texts, in a random order, get another answer than expected."""
    order = random.Random(seed).sample(range(len(texts)), len(texts))
    return sum(answer(nlp, texts[i]) != expected[i] for i in order)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipelines", nargs="+")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--docs", type=int, default=1000)
    parser.add_argument("--text", type=Path, default=SAMPLE)
    arguments = parser.parse_args()
    # As in a web service: requests run in parallel, and torch uses one thread for each.
    torch.set_num_threads(1)
    lines = [line for line in arguments.text.read_text(encoding="utf8").splitlines() if line.strip()]
    draw = random.Random(0)
    texts = [" ".join(draw.choices(lines, k=12)) if i % 50 == 49 else draw.choice(lines) for i in range(arguments.docs)]
    failed = False
    for name in arguments.pipelines:
        nlp = spacy.load(name)
        for _, component in nlp.pipeline:
            if isinstance(component, SequenceNER):
                component.candidates_key, component.candidates_floor = KEY, 0.01
        expected = [answer(nlp, text) for text in texts]
        started = time.perf_counter()
        with ThreadPoolExecutor(arguments.threads) as pool:
            differ = sum(pool.map(partial(count_other, nlp, texts, expected), range(arguments.threads)))
        seconds = time.perf_counter() - started
        found = sum(map(len, expected))
        print(
            f"{name}: {arguments.threads} threads x {len(texts):,} docs ({found:,} spans), {differ} differ; "
            f"{seconds:.0f} s",
            flush=True,
        )
        failed |= differ > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
