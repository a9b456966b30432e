"""`label`: label text with a pipeline for self-training."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ._app import app, user_errors


@app.command("label")
def label_cli(
    model: Annotated[str, typer.Argument(help="Folder of a pipeline, or name of an installed one")],
    text: Annotated[Path, typer.Argument(help="Text (plain or .gz), one sentence per line; or a DocBin (.spacy)")],
    output: Annotated[Path, typer.Option("--output", "-o", help="DocBin to write")],
    threshold: Annotated[
        float,
        typer.Option(min=0, max=1, help="Minimum score of an entity; tokens of entities below it get no annotation"),
    ] = 0.9,
    domain: Annotated[Optional[str], typer.Option(help="Domain name stored in the docs")] = None,
    exclude: Annotated[
        Optional[List[Path]],
        typer.Option("--exclude", "-x", help="Dev or test file whose sentences are skipped (repeatable)"),
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
) -> None:
    """Label text with the entities whose score reaches a threshold, for self-training."""
    from ..silver.labelling import label_files
    from ..storage.loading import load_pipeline

    with user_errors(), only_writer(output):
        result = label_files(
            load_pipeline(model, gpu_id), text, output, threshold=threshold, domain=domain, exclude=exclude or []
        )
    msg.good(
        f"{output}: {len(result.docs):,} of {result.n_read:,} sentences, {result.n_certain:,} entities; "
        f"{result.n_uncertain:,} uncertain entities are left without annotation"
    )
    if exclude:
        msg.info(f"{result.n_excluded:,} sentences skipped: they are in a file given with --exclude")
