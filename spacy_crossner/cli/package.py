"""`package`: build an installable wheel from a saved pipeline."""

import shlex
from functools import partial
from pathlib import Path
from typing import Annotated, Optional

import typer
from wasabi import msg

from ..storage.locks import only_writer
from ..storage.packaging import package_pipeline
from ._app import app, user_errors


@app.command("package")
def package_cli(
    model: Annotated[Path, typer.Argument(help="Pipeline folder; with --best, the folder of ways")],
    output_dir: Annotated[Path, typer.Argument(help="Folder for the wheel")],
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the package and its module, such as crossner_ai")],
    version: Annotated[str, typer.Option("--version", "-v", help="Version of the package")] = "0.1.0",
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a wheel of the same name and version")] = False,
    best: Annotated[
        bool, typer.Option("--best", help="Package the MODEL/WAY/calibrated with the best F1 on dev")
    ] = False,
    metrics: Annotated[
        Optional[Path],
        typer.Option(help="Folder of the scores of `evaluate --all`; those of the pipeline go into the model card"),
    ] = None,
    license_: Annotated[
        Optional[str], typer.Option("--license", help="License of the package. Default: that in meta.json, if any")
    ] = None,
) -> None:
    """Package a pipeline under exactly this name: `pip install` the wheel, then `spacy.load(name)`."""
    from ..evaluation.card.make import make_card

    with user_errors(), only_writer(output_dir / name):
        if best:
            model = best_way(model, output_dir, name, metrics)
        card = partial(make_card, metrics=metrics, license=license_)
        wheel = package_pipeline(model, output_dir, name, card, version=version, force=force)
    path = shlex.quote(str(wheel))
    typer.echo(f"Package written. Install it: pip install {path}\nThen in Python: spacy.load({name!r})")


def best_way(folder: Path, output_dir: Path, name: str, metrics: Optional[Path] = None) -> Path:
    """Return the calibrated pipeline with the best F1 on dev. Print all scores and the command to package another one.

    folder (Path): the folder of the ways.
    output_dir (Path): the folder for the wheel.
    name (str): the name of the package.
    metrics (Optional[Path]): the folder of the scores.
    RAISES (CrossnerError): as `rank_ways` says.
    """
    from ..evaluation.ways import CALIBRATED, rank_ways

    ranked = rank_ways(folder)
    best, *others = ranked
    scores = ", ".join(f"{way.name} {100 * f:.2f}" for way, f in ranked.items())
    msg.good(f"Packaging {best.name}, the best of {len(ranked)} by F1 on dev after calibration: {scores}")
    if others:
        command = ["package", str(others[0] / CALIBRATED), str(output_dir), "--name", name, "--force"]
        command += ["--metrics", str(metrics)] if metrics else []
        typer.echo(f"To package another way: python -m spacy crossner {shlex.join(command)}")
    return best / CALIBRATED
