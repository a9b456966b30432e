"""`augment`: sentences in which entities are replaced by entities of another domain."""

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
    output: Annotated[Path, typer.Option("--output", "-o", help="DocBin to write; beside it a listing, .tsv")],
    source_sentences: Annotated[int, typer.Option(min=0, help="Source sentences to start from; 0 for all")] = 500,
    target_sentences: Annotated[int, typer.Option(min=0, help="Target sentences to start from; 0 for all")] = 100,
    source_times: Annotated[int, typer.Option(min=0, help="Adaptive sentences of each source sentence")] = 2,
    target_times: Annotated[int, typer.Option(min=0, help="Adaptive sentences of each target sentence")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the random choices")] = 0,
) -> None:
    """Make adaptive sentences: an entity is replaced by one of the same type from the other domain."""
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
        msg.warn(f"Types of one domain only, whose entities are not replaced: {', '.join(result.alone)}")
    if result.unchanged:
        msg.info(f"{result.unchanged:,} sentences have no entity that can be replaced")
    msg.good(f"{output}: {len(result.docs):,} adaptive sentences; listed in {output.with_suffix('.tsv')}")
