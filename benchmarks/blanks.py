"""Measure the effect of white space on predictions: print strict F1 on text with several kinds of white space.

    python benchmarks/blanks.py PIPELINE DATA.spacy

The gold words are joined by each kind of white space and annotated by the whole pipeline, including the tokenizer.
Spans are compared by character offsets.
"""

import argparse
import random
from pathlib import Path
from typing import Callable, Dict, List, Set, Tuple

import spacy
from spacy.tokens import Doc, DocBin

Spans = Set[Tuple[int, int, str]]

KINDS: Dict[str, Callable[[int, random.Random], str]] = {
    "single blanks": lambda i, draw: " ",
    "a line break every 6 words": lambda i, draw: "\n" if i % 6 == 5 else " ",
    "Windows line breaks every 6 words": lambda i, draw: "\r\n" if i % 6 == 5 else " ",
    "an empty line every 8 words": lambda i, draw: "\n\n" if i % 8 == 7 else " ",
    "two spaces with probability 0.2": lambda i, draw: "  " if draw.random() < 0.2 else " ",
}


def join(doc: Doc, kind: Callable[[int, random.Random], str], draw: random.Random) -> Tuple[str, Spans]:
    """Return the text of a doc with this white space, and its gold spans in the text."""
    text, places = "", []
    for token in doc:
        places.append((len(text), len(text) + len(token)))
        text += token.text + kind(token.i, draw)
    return text, {(places[ent.start][0], places[ent.end - 1][1], ent.label_) for ent in doc.ents}


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pipeline")
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    nlp = spacy.load(arguments.pipeline)
    docs = list(DocBin().from_disk(arguments.data).get_docs(nlp.vocab))
    for name, kind in KINDS.items():
        draw = random.Random(0)
        rows = [join(doc, kind, draw) for doc in docs]
        right = found = gold = ends = 0
        scores: List[float] = []
        for doc, (_, expected) in zip(nlp.pipe(text for text, _ in rows), rows, strict=True):
            spans = {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
            right += len(spans & expected)
            found += len(spans)
            gold += len(expected)
            ends += sum(ent[0].is_space or ent[-1].is_space for ent in doc.ents)
            scores += [ent._.score for ent in doc.ents]
        f1 = 200 * right / max(1, found + gold)
        mean = sum(scores) / max(1, len(scores))
        print(
            f"{name:36} F1 {f1:5.1f}, {found:,} entities, mean score {mean:.3f}, {ends} begin or end with white space"
        )


if __name__ == "__main__":
    main()
