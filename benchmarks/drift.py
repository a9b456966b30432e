"""How far pre-training has moved an encoder: the change of each matrix over its norm.

    python benchmarks/drift.py BEFORE AFTER ...

BEFORE and AFTER are encoders, as `spacy crossner dapt` takes and leaves them.
"""

import statistics
from typing import Annotated, List

import typer
from transformers import AutoModel

from spacy_crossner.encoders.folders import find_encoder


def main(
    before: Annotated[str, typer.Argument(help="Encoder")],
    after: Annotated[List[str], typer.Argument(help="Encoders that came of it")],
) -> None:
    """Print the change of the word embeddings and the median over all matrices."""
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
