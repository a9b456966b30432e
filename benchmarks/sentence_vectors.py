"""Plot the sentence vectors of several data sets in two pipelines, such as before and after PDALN.

    python benchmarks/sentence_vectors.py OUT.png BEFORE AFTER SET.spacy ... [--sentences 200]

BEFORE and AFTER are folders of pipelines whose component `ner` has its encoder inside. Each data set has a colour. A
panel shows the first two principal components of the vectors of all sets. It also gives the squared MMD between each
set and the first set, with the kernel bandwidths of training. The plot needs matplotlib.
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import numpy as np
import spacy
import torch
import typer
from numpy.typing import NDArray

from spacy_crossner.annotations.domains import without_annotation
from spacy_crossner.annotations.words import see_words
from spacy_crossner.core.encoding import begin_words
from spacy_crossner.data.docbin import read_docbin
from spacy_crossner.methods.pdaln.mmd import squared_mmd
from spacy_crossner.storage.figures import new_figure, save_figure


def sentence_vectors(model: Path, sets: List[Path], sentences: int) -> Dict[str, NDArray[np.float32]]:
    """Return the sentence vectors of evenly spaced docs of each set, shape (n, width)."""
    nlp = spacy.load(model)
    ner: Any = nlp.get_pipe("ner")
    tok2vec, device = ner.model.get_ref("tok2vec"), torch.device("cpu")
    found = {}
    for path in sets:
        docs = [doc for doc in read_docbin(path, nlp.vocab) if len(doc)]
        places = np.linspace(0, len(docs) - 1, min(sentences, len(docs))).astype(int)
        docs = [without_annotation(docs[i], nlp.vocab) for i in places]
        vectors = begin_words(tok2vec, see_words(docs), device, with_sentences=True).sentences
        assert vectors is not None
        found[path.parent.name + "/" + path.stem] = vectors.numpy()
    return found


def main(
    output: Annotated[Path, typer.Argument(help="The picture")],
    before: Annotated[Path, typer.Argument(help="Pipeline")],
    after: Annotated[Path, typer.Argument(help="Another one")],
    sets: Annotated[List[Path], typer.Argument(help="DocBins")],
    sentences: Annotated[int, typer.Option(help="Number of sentences from each set")] = 200,
) -> None:
    """Plot the vectors and print the distances."""
    figure = new_figure(10, 5)
    for axis, model in zip(figure.subplots(1, 2), (before, after), strict=True):
        found = sentence_vectors(model, sets, sentences)
        every = np.concatenate(list(found.values()))
        _, _, directions = np.linalg.svd(every - every.mean(axis=0), full_matrices=False)
        first = torch.from_numpy(next(iter(found.values())))
        for name, vectors in found.items():
            places = (vectors - every.mean(axis=0)) @ directions[:2].T
            distance = squared_mmd(first, torch.from_numpy(vectors)).item()
            axis.scatter(*places.T, s=8, alpha=0.6, label=f"{name}: {distance:.3f}")
            print(f"{model}: squared MMD of {name} and the first set {distance:.4f}")
        axis.set_title(str(model), fontsize=8, parse_math=False)
        axis.legend(fontsize=8)
    print(", ".join(map(str, save_figure(figure, output))))


if __name__ == "__main__":
    typer.run(main)
