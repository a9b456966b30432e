"""`augment`: replace entities in sentences by entities of another domain."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..methods.pdaln.anchors import augment_files
from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("augment")
def augment_cli(
    source: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy) of the source domain")],
    target: Annotated[Path, typer.Argument(help="Annotated DocBin of the target domain")],
    output: Annotated[Path, typer.Option("--output", "-o", help="DocBin to write; a listing (.tsv) goes next to it")],
    source_sentences: Annotated[
        int, typer.Option(min=0, help="Number of source sentences to augment; 0 for all")
    ] = 500,
    target_sentences: Annotated[
        int, typer.Option(min=0, help="Number of target sentences to augment; 0 for all")
    ] = 100,
    source_times: Annotated[int, typer.Option(min=0, help="Adaptive sentences made from each source sentence")] = 2,
    target_times: Annotated[int, typer.Option(min=0, help="Adaptive sentences made from each target sentence")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed")] = 0,
) -> None:
    """Make adaptive sentences: replace entities by entities of the same type from the other domain."""
    with user_errors(), only_writer(output):
        result = augment_files(
            source,
            target,
            output,
            source_sentences=source_sentences,
            target_sentences=target_sentences,
            source_times=source_times,
            target_times=target_times,
            seed=seed,
        )
    for label, count in result.counts.items():
        typer.echo(f"{count:>8,} {label}")
    if result.alone:
        msg.warn(f"Types found in only one domain; their entities are not replaced: {', '.join(result.alone)}")
    if result.unchanged:
        msg.info(f"{result.unchanged:,} sentences contain no entity that can be replaced")
    msg.good(f"{output}: {len(result.docs):,} adaptive sentences; listed in {output.with_suffix('.tsv')}")
