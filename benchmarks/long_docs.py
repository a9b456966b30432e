"""Measure F1 on long docs, made by joining test sentences, for several window sizes of the component.

    python benchmarks/long_docs.py MODEL TEST.spacy [--join 8] [--windows 32,64,128,256] [--output OUT.json]

Docs with sentence boundaries are cut between sentences. Other docs are cut into windows that overlap by a quarter.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Dict, List, Optional

import spacy
import typer
from spacy.tokens import Doc

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.data.docbin import read_docbin


def f_score(gold: List[Doc], found: List[Doc]) -> float:
    """Return the entity F1 of docs in percent."""
    both = [[{(ent.start, ent.end, ent.label_) for ent in doc.ents} for doc in docs] for docs in (gold, found)]
    right = sum(len(a & b) for a, b in zip(*both, strict=True))
    return 200 * right / sum(len(spans) for docs in both for spans in docs)


def main(
    model: Annotated[Path, typer.Argument(help="Trained pipeline")],
    test: Annotated[Path, typer.Argument(help="Annotated DocBin with one sentence per doc")],
    join: Annotated[int, typer.Option(help="Sentences per joined doc")] = 8,
    windows: Annotated[str, typer.Option(help="Window sizes in tokens")] = "32,64,128,256",
    output: Annotated[Optional[Path], typer.Option(help="JSON file")] = None,
) -> None:
    """Print the F1 of single sentences and of joined docs."""
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    sentences = read_docbin(test, nlp.vocab)
    result: Dict[str, Any] = {"join": join}

    def score(docs: List[Doc], marks: bool) -> float:
        texts = [without_annotation(doc, nlp.vocab) for doc in docs]
        for text, doc in zip(texts, docs, strict=True):
            for token, gold in zip(text, doc, strict=True):
                token.is_sent_start = gold.is_sent_start if marks else None
        return f_score(docs, list(nlp.pipe(texts)))

    result["sentences"] = score(sentences, marks=False)
    print(f"sentences alone: {result['sentences']:.1f}")
    joined = []
    for i in range(0, len(sentences), join):
        part = sentences[i : i + join]
        starts = {sum(len(doc) for doc in part[:k]) for k in range(len(part))}
        doc = Doc.from_docs(part)
        for token in doc:
            token.is_sent_start = token.i in starts
        joined.append(doc)
    for size in (int(window) for window in windows.split(",")):
        ner.window, ner.overlap = size, size // 4
        row = {"marked": score(joined, marks=True), "unmarked": score(joined, marks=False)}
        result[str(size)] = row
        print(f"{join} sentences per doc, window {size}: {row['marked']:.1f} marked, {row['unmarked']:.1f} unmarked")
    if output:
        output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf8")


if __name__ == "__main__":
    typer.run(main)
