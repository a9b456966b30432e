"""`evaluate`: score a pipeline on a DocBin."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from ..errors import CrossnerError
from ._app import app, user_errors

C215 = "[C215] --all needs --output (the folder for the scores) and cannot be used with --drop-seen."


@app.command("evaluate")
def evaluate_cli(
    model: Annotated[
        str, typer.Argument(help="Pipeline folder or name of an installed pipeline; with --all, the folder of ways")
    ],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy)")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the scores as JSON")] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Score each changed MODEL/WAY/calibrated and write OUTPUT/WAY.json"),
    ] = False,
    drop_seen: Annotated[
        Optional[List[Path]],
        typer.Option(help="DocBin whose sentences are not scored (repeatable)"),
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
    batch_size: Annotated[
        Optional[int], typer.Option(min=1, help="Sentences per batch. Default: the batch size of the pipeline")
    ] = None,
    from_text: Annotated[
        bool, typer.Option("--from-text", help="Also score the entities of nlp(text), by character offsets")
    ] = False,
) -> None:
    """Score a pipeline on annotated sentences: strict and lenient F1, by type, words per second.

    The pipeline gets the gold tokens. With --from-text it is also run on the untokenized text, as in an application.
    """
    from ..evaluation.evaluate import evaluate_files
    from ..evaluation.tables import score_table
    from ..evaluation.ways import evaluate_ways

    with user_errors():
        if every:
            if output is None or drop_seen:
                raise CrossnerError(C215)
            for way in evaluate_ways(
                Path(model), data, output, gpu_id=gpu_id, batch_size=batch_size, from_text=from_text
            ):
                typer.echo(f"{way.path.stem}\n{score_table(way.scores)}\nScores are in {way.path}.")
            return
        scores = evaluate_files(
            model,
            data,
            output,
            drop_seen=drop_seen or [],
            gpu_id=gpu_id,
            batch_size=batch_size,
            from_text=from_text,
        )
    typer.echo(score_table(scores))
    if output is not None:
        typer.echo(f"Scores written to {output}.")
