"""`evaluate`: score a pipeline on a DocBin."""

from pathlib import Path
from typing import Annotated, List, Optional

import typer

from ..errors import CrossnerError
from ._app import app, user_errors

C215 = "[C215] --all needs --output, the folder of the scores, and takes no --drop-seen."


@app.command("evaluate")
def evaluate_cli(
    model: Annotated[
        str, typer.Argument(help="Folder of a pipeline, or name of an installed one; with --all, the folder of ways")
    ],
    data: Annotated[Path, typer.Argument(help="Annotated DocBin (.spacy)")],
    output: Annotated[Optional[Path], typer.Option("--output", "-o", help="Write the scores as JSON")] = None,
    every: Annotated[
        bool,
        typer.Option("--all", help="Score each MODEL/WAY/calibrated that has changed; write OUTPUT/WAY.json"),
    ] = False,
    drop_seen: Annotated[
        Optional[List[Path]],
        typer.Option(help="DocBin whose sentences are left out of the scoring; may be given several times"),
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
    batch_size: Annotated[
        Optional[int], typer.Option(min=1, help="Sentences in a batch; the pipeline's own if not given")
    ] = None,
    from_text: Annotated[
        bool, typer.Option("--from-text", help="Also score what nlp(text) finds in the running text, by characters")
    ] = False,
) -> None:
    """Score a pipeline on annotated sentences: strict and lenient F1, by type, words per second.

    The pipeline gets the gold tokens. With --from-text it also gets the running text, as an app gives it, and its own
    tokenizer cuts it.
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
                typer.echo(f"{way.path.stem}\n{score_table(way.scores)}\nScores in {way.path}.")
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
