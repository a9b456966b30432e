"""`train`: run a training stage."""

from pathlib import Path
from typing import Annotated, Optional

import typer
from spacy.cli._util import parse_config_overrides

from ..training.averaging import train_average
from ._app import app, user_errors


@app.command("train", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def train_cli(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(help="Config file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for model-best and model-last")],
    epochs: Annotated[
        Optional[float],
        typer.Option(help="Passes over the training corpus; sets the number of steps and the learning rate schedule"),
    ] = None,
    min_steps: Annotated[int, typer.Option(min=0, help="With --epochs: minimum number of steps")] = 0,
    evaluations: Annotated[int, typer.Option(min=1, help="With --epochs: number of evaluations on dev")] = 4,
    preset: Annotated[
        str, typer.Option(help="Recipe by the size of the encoder: small, base, or auto to choose by its width")
    ] = "auto",
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Train with this many seeds, from system.seed on, and save the mean of the weights as model-best",
        ),
    ] = 1,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, -1 for the CPU")] = -1,
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Resume from the checkpoint of an interrupted run of this command"),
    ] = True,
) -> None:
    """Train a pipeline. Override config settings as with `spacy train`: --training.batcher.size 32."""
    overrides = parse_config_overrides(ctx.args)
    with user_errors():
        train_average(
            config,
            output,
            seeds,
            epochs=epochs,
            min_steps=min_steps,
            evaluations=evaluations,
            preset=preset,
            use_gpu=gpu_id,
            overrides=overrides,
            resume=resume,
        )
