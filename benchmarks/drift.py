"""Measure how much pre-training changed an encoder: the norm of each matrix's change relative to its norm.

    python benchmarks/drift.py BEFORE AFTER ...

BEFORE is the original encoder, AFTER encoders adapted by `spacy crossner dapt`.
"""

import statistics
from typing import Annotated, List

import typer
from transformers import AutoModel

from spacy_crossner.encoders.folders import find_encoder


def main(
    before: Annotated[str, typer.Argument(help="Encoder")],
    after: Annotated[List[str], typer.Argument(help="Adapted encoders")],
) -> None:
    """Print the relative change of the word embeddings and the median over all matrices."""
    old = AutoModel.from_pretrained(find_encoder(before), trust_remote_code=False).state_dict()
    for name in after:
        model = AutoModel.from_pretrained(find_encoder(name), trust_remote_code=False)
        moved = {
            key: float((old[key] - weights).norm() / old[key].norm())
            for key, weights in model.state_dict().items()
            if weights.is_floating_point() and weights.dim() == 2
        }
        words = next(share for key, share in moved.items() if key.endswith("word_embeddings.weight"))
        print(f"{name}: word embeddings {words:.2f}, median of all matrices {statistics.median(moved.values()):.2f}")


if __name__ == "__main__":
    typer.run(main)
