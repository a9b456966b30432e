"""`vectors`: train sub-word vectors on raw text."""

from pathlib import Path
from typing import Annotated, List

import typer
from wasabi import msg

from ..training.vectors import train_vectors
from ._app import app, user_errors


@app.command("vectors")
def vectors_cli(
    texts: Annotated[
        List[str],
        typer.Argument(
            help="Text (plain or .gz), one sentence or paragraph per line; or .spacy files. Empty names are ignored"
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to use as --initialize.vectors in training")],
    lang: Annotated[str, typer.Option(help="Language of the tokenizer")] = "en",
    architecture: Annotated[str, typer.Option(help="skipgram or cbow")] = "skipgram",
    width: Annotated[int, typer.Option(help="Width of the vectors")] = 100,
    buckets: Annotated[int, typer.Option(help="Rows of the vector table")] = 50_000,
    min_ngram: Annotated[int, typer.Option(help="Minimum n-gram length in characters")] = 3,
    max_ngram: Annotated[int, typer.Option(help="Maximum n-gram length in characters")] = 6,
    min_count: Annotated[int, typer.Option(help="Minimum frequency; rarer words are ignored")] = 5,
    epochs: Annotated[int, typer.Option(help="Passes over the text")] = 5,
    threads: Annotated[
        int, typer.Option(help="Number of threads; with more than one, results are not reproducible")
    ] = 1,
) -> None:
    """Train floret vectors on raw text. Every word gets a vector, even if it is not in the text."""
    with user_errors():
        n_tokens = train_vectors(
            # An unset project variable gives an empty name.
            [Path(text) for text in texts if text],
            output,
            lang=lang,
            architecture=architecture,
            width=width,
            buckets=buckets,
            min_ngram=min_ngram,
            max_ngram=max_ngram,
            min_count=min_count,
            epochs=epochs,
            threads=threads,
        )
        if n_tokens is not None:
            msg.good(f"{output}: vectors of width {width} from {n_tokens:,} tokens")
