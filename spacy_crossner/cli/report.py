"""`report`: write the scores and mistakes of a pipeline as one HTML page."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from ._app import app, user_errors


@app.command("report")
def report_cli(
    model: Annotated[str, typer.Argument(help="Folder of a pipeline, or name of an installed one")],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy)")],
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write")],
    drop_seen: Annotated[
        Optional[List[Path]], typer.Option(help="DocBin whose sentences are not scored (repeatable)")
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
    batch_size: Annotated[
        Optional[int], typer.Option(min=1, help="Sentences per batch. Default: the batch size of the pipeline")
    ] = None,
) -> None:
    """Write an HTML page with scores, a confusion matrix, calibration, and the mistakes in each sentence."""
    from ..evaluation.report import report_files

    with user_errors():
        scores = report_files(model, data, output, drop_seen=drop_seen or [], gpu_id=gpu_id, batch_size=batch_size)
    typer.echo(
        f"F1 {100 * scores['strict']['f']:.2f} on {scores['sentences']:,} sentences; report written to {output}."
    )
